"""Splits keep each class's share and never overlap."""

import pytest
import torch

from limbeck.data.splits import hold_out, refuse_bad_classes, subset
from limbeck.errors import LimbeckError

LABELS = torch.tensor([0] * 100 + [1] * 37 + [2] * 9 + [3] * 2)


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("seed", [0, 1, 2**40])
def test_hold_out_divides_every_class(fraction, seed):
    indices = torch.arange(len(LABELS))
    kept, held = hold_out(indices, LABELS, fraction, seed)
    assert torch.equal(torch.cat([kept, held]).sort().values, indices)
    for each in range(4):
        size, share = int((each == LABELS).sum()), int((LABELS[held] == each).sum())
        assert abs(share - size * fraction) <= 1
        assert 1 <= share < size


def test_total_is_the_fraction_of_all():
    kept, held = hold_out(torch.arange(len(LABELS)), LABELS, 0.2, 0)
    assert len(held) == round(len(LABELS) * 0.2)
    assert len(kept) + len(held) == len(LABELS)


def test_the_same_seed_gives_the_same_split_for_ever():
    held = hold_out(torch.arange(20), torch.arange(20) % 2, 0.2, 0)[1]
    assert held.tolist() == [1, 8, 18, 19]
    assert hold_out(torch.arange(20), torch.arange(20) % 2, 0.2, 1)[1].tolist() != [1, 8, 18, 19]


def test_indices_need_not_begin_at_nought():
    indices = torch.tensor([140, 3, 120, 5, 7, 110, 101, 9])
    kept, held = hold_out(indices, LABELS, 0.25, 0)
    assert sorted(kept.tolist() + held.tolist()) == sorted(indices.tolist())


def test_regression_has_no_classes():
    kept, held = hold_out(torch.arange(50), None, 0.2, 0)
    assert (len(kept), len(held)) == (40, 10)
    assert held.tolist() != list(range(40, 50))


def test_a_class_of_one_stays_and_of_two_is_divided():
    labels = torch.tensor([0] * 8 + [1] + [2] * 2)
    kept, held = hold_out(torch.arange(11), labels, 0.2, 0)
    assert (labels[held] == 1).sum() == 0
    assert (labels[held] == 2).sum() == 1
    assert (labels[kept] == 2).sum() == 1


def test_splitting_leaves_the_global_generators_alone():
    before = torch.get_rng_state()
    hold_out(torch.arange(20), None, 0.2, 0)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("limit", [4, 5, 20, 77, 147])
def test_subset_has_the_size_asked_for_and_every_class(limit):
    found = subset(torch.arange(len(LABELS)), LABELS, limit, 0)
    assert len(found) == limit == len(found.unique())
    assert len(LABELS[found].unique()) == 4


def test_subset_keeps_the_shares():
    counts = torch.bincount(LABELS[subset(torch.arange(len(LABELS)), LABELS, 74, 0)])
    assert (counts - torch.tensor([50, 18.5, 4.5, 1])).abs().max() <= 1


def test_subset_larger_than_all_is_all():
    assert torch.equal(subset(torch.arange(148), LABELS, 1000, 0), torch.arange(148))
    assert len(subset(torch.arange(10), None, 4, 0)) == 4


@pytest.mark.parametrize(
    ("labels", "limit", "says"),
    [(LABELS, 3, "of each of the 4 classes"), (None, 1, "must leave two samples"), (LABELS, -5, "too small")],
)
def test_too_small_a_limit_is_refused(labels, limit, says):
    with pytest.raises(LimbeckError, match=says):
        subset(torch.arange(148), labels, limit, 0)


@pytest.mark.parametrize(
    ("labels", "classes", "says"),
    [
        ([0, 0], ("cat",), "two or more classes to tell apart, but has only 'cat'"),
        ([], (), "but has none"),
        ([0, 0, 1], ("cat", "dog"), "Class 'dog' of mine has 1 sample;"),
        ([0, 0], ("cat", "dog"), "Class 'dog' of mine has 0 samples;"),
    ],
)
def test_classes_that_cannot_be_learnt_are_refused(labels, classes, says):
    with pytest.raises(LimbeckError, match=says):
        refuse_bad_classes("mine", torch.tensor(labels, dtype=torch.int64), classes)
