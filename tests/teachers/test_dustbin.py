"""A specialist's training set, and soft targets for it."""

import math

import pytest
import torch
from torch import nn

from limbeck import Batch, Frozen, LimbeckError
from limbeck.teachers import Dustbin, Ensemble, Teacher, own_targets, specialist_set
from teachers.known import Fixed, batch, frozen

TARGETS = torch.tensor([0, 1, 2, 3, 4] * 20 + [2] * 10)  # 20 of each, 30 of class 2


def test_half_of_the_set_is_its_own_classes():
    found = specialist_set(TARGETS, [3, 1])
    own = TARGETS[found.indices]
    assert len(found.indices) == 80
    assert found.indices.unique().equal(found.indices)  # rising, and no sample twice
    inside = (own == 1) | (own == 3)
    assert inside.sum() == 40
    assert inside.sum() == ((TARGETS == 1) | (TARGETS == 3)).sum()  # all there are
    expected = torch.where(own == 3, 0, torch.where(own == 1, 1, 2))
    assert torch.equal(found.targets, expected)
    assert found.correction == pytest.approx(math.log(70 / 40))


def test_the_rest_is_drawn_anew_by_each_seed():
    first, again, other = (specialist_set(TARGETS, [0], seed).indices.tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_where_the_rest_is_smaller_all_of_it_is_taken():
    found = specialist_set(TARGETS, [0, 1, 2, 3])
    assert len(found.indices) == len(TARGETS)
    assert found.correction == 0


def test_samples_without_a_label_take_no_part():
    targets = TARGETS.clone()
    targets[:50] = -100
    found = specialist_set(targets, [2])
    assert (found.indices >= 50).all()
    assert (found.targets >= 0).all()


def test_correction_makes_the_posterior_on_the_set_that_on_all_data():
    """For a discrete input, the exact posterior is a ratio of counts; the rest is thinned to k of r evenly."""
    inside, rest, kept = torch.tensor([[30.0, 10.0], [5.0, 15.0]]), torch.tensor([100.0, 300.0]), 60
    thinned = rest * kept / rest.sum()  # the expectation of a random draw; inputs are the columns
    correction = math.log(rest.sum() / kept)
    for column in range(2):
        on_set = torch.cat([inside[:, column], thinned[column : column + 1]]).log()
        on_set[-1] += correction
        on_all = torch.cat([inside[:, column], rest[column : column + 1]])
        torch.testing.assert_close(on_set.softmax(0), on_all / on_all.sum())


def test_correction_is_that_of_a_model_trained_on_the_set():
    """Without inputs, the best model on a set is its class frequencies: corrected, those of all data."""
    found = specialist_set(TARGETS, [0, 2])
    logits = torch.bincount(found.targets).float().log()
    logits[-1] += found.correction
    torch.testing.assert_close(logits.softmax(0), torch.tensor([20.0, 30.0, 60.0]) / 110)


def test_pools_the_rest_of_the_teachers_classes():
    table = torch.randn(6, 5) * 3
    found = Dustbin(Fixed(table), [4, 1])(batch())["logits"].exp()
    p = table.softmax(1)
    torch.testing.assert_close(found, torch.stack([p[:, 4], p[:, 1], p[:, 0] + p[:, 2] + p[:, 3]], 1))


def test_correction_taken_off_and_added_back_is_nothing():
    table = torch.randn(6, 5)
    plain, moved = (Dustbin(Fixed(table), [0, 1], by)(batch())["logits"] for by in (0.0, 1.7))
    moved[:, -1] += 1.7
    torch.testing.assert_close(moved.softmax(1), plain.softmax(1))


def test_ruled_out_classes_stay_finite():
    table = torch.tensor([[0.0, -torch.inf, -torch.inf, -torch.inf]])
    assert torch.isfinite(Dustbin(Fixed(table), [1, 0])(batch(1))["logits"]).all()


def test_is_a_teacher_with_the_layers_of_its_own():
    inner = frozen(5)
    teacher = Dustbin(inner, [2])
    assert isinstance(teacher, Teacher)
    found = teacher(batch(), None, ["2"])
    assert torch.equal(found["2"], inner(batch(), None, ["2"])["2"])
    assert teacher.forwards == 6
    prints = {Dustbin(frozen(5, seed), [2], by).fingerprint() for seed in (0, 1) for by in (0.0, 1.0)}
    assert len(prints | {Dustbin(frozen(5), [3]).fingerprint()}) == 5


def test_the_specialists_labels_do_not_reach_the_generalist():
    table = torch.randn(2, 5)
    oracle = Ensemble([Fixed(table), Fixed(table.flip(1))], "oracle")
    found = Dustbin(oracle, [0, 1])(batch(2, [2, 2]))["logits"]
    expected = Dustbin(Ensemble([Fixed(table), Fixed(table.flip(1))]), [0, 1])(batch(2))["logits"]
    assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("call", "about"),
    [
        (lambda: specialist_set(TARGETS, []), "without classes"),
        (lambda: specialist_set(TARGETS, [1, 1]), "twice"),
        (lambda: specialist_set(TARGETS, [-1]), "not -1"),
        (lambda: specialist_set(TARGETS, [0.5]), "not 0.5"),
        (lambda: specialist_set(TARGETS, [7]), r"its classes \[7\]"),
        (lambda: specialist_set(TARGETS, [0, 1, 2, 3, 4]), "for its dustbin"),
        (lambda: specialist_set(TARGETS.float(), [0]), "class indices"),
        (lambda: own_targets(TARGETS[:, None], [0]), "class indices"),
        (lambda: Dustbin(nn.Linear(4, 3), [0]), "Frozen"),
        (lambda: Dustbin(frozen(), [0], float("inf")), "finite"),
        (lambda: Dustbin(frozen(3), [0, 3])(batch()), "class 3"),
        (lambda: Dustbin(frozen(3), [0, 1, 2])(batch()), "none left"),
    ],
)
def test_refuses(call, about):
    with pytest.raises(LimbeckError, match=about):
        call()


def test_reads_indices_of_other_libraries():
    assert Dustbin(Frozen(nn.Linear(4, 5)), torch.tensor([1, 2]).numpy()).classes == (1, 2)
    assert Dustbin(frozen(5), [1, 2])(Batch(torch.zeros(1, 4)))["logits"].shape == (1, 3)
