"""Several teachers that answer as one."""

import math

import pytest
import torch
from torch import nn

from limbeck import Batch, Classification, Frozen, LimbeckError, Predictor, Regression, Term, fit, losses
from limbeck.functional import ABSENT
from limbeck.schemes import Offline
from limbeck.teachers import Ensemble, Teacher
from limbeck.train import Feed, Plan
from teachers.known import Fixed, batch, frozen, network, state

TABLES = [torch.randn(6, 3, generator=torch.Generator().manual_seed(seed)) * 3 for seed in range(3)]


def softmax(row):
    top = max(row)
    powers = [math.exp(each - top) for each in row]
    return [each / sum(powers) for each in powers]


def test_averages_probabilities_by_the_formula():
    weights = [1.0, 2.0, 5.0]
    found = Ensemble([Fixed(each) for each in TABLES], weights=weights)(batch())["logits"]
    for row in range(6):
        for label in range(3):
            parts = zip(weights, TABLES, strict=True)
            mean = sum(w / 8 * softmax(table[row].tolist())[label] for w, table in parts)
            assert found[row, label].item() == pytest.approx(math.log(mean), abs=1e-5)


def test_averages_logits_by_the_formula():
    found = Ensemble([Fixed(each) for each in TABLES], "logits", [1.0, 2.0, 5.0])(batch())["logits"]
    expected = (TABLES[0] + 2 * TABLES[1] + 5 * TABLES[2]) / 8
    torch.testing.assert_close(found, expected)


def test_probabilities_and_logits_differ_where_one_teacher_is_very_sure():
    tables = [torch.tensor([[30.0, 0.0]]), torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 1.0]])]
    by = {
        how: Ensemble([Fixed(each) for each in tables], how)(batch(1))["logits"].softmax(1)[0, 0].item()
        for how in ("probabilities", "logits")
    }
    assert by["logits"] > 0.999
    assert 0.5 < by["probabilities"] < 0.52


@pytest.mark.parametrize("combine", ["probabilities", "logits"])
def test_of_one_equals_its_member_to_the_bit(combine):
    alone = frozen()(batch())["logits"]
    assert torch.equal(Ensemble([frozen()], combine, [0.3])(batch())["logits"], alone)


def test_of_the_same_twice_is_that_one():
    found = Ensemble([frozen(), frozen()])(batch())["logits"]
    torch.testing.assert_close(found, frozen()(batch())["logits"].log_softmax(1))


def test_oracle_hears_only_those_who_are_right():
    right = torch.tensor([[9.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    tables = [
        torch.tensor([[3.0, 1.0, 0.0], [0.0, 2.0, 0.0]]),
        torch.tensor([[1.0, 3.0, 0.0], [3.0, 0.0, 0.0]]),
        right,
    ]
    weights = [1.0, 1.0, 3.0]
    oracle = Ensemble([Fixed(each) for each in tables], "oracle", weights)
    found = oracle(batch(2, [0, 1]))["logits"].exp()
    expected = 0.25 * tables[0].softmax(1) + 0.75 * right.softmax(1)
    torch.testing.assert_close(found, expected)


def test_oracle_falls_back_to_the_label_and_is_a_mean_where_there_is_none():
    teachers = [Fixed(each) for each in TABLES]
    wrong = next(
        label for label in range(3) if all(table[0].argmax() != label for table in TABLES)
    )  # nobody says so of sample 0
    targets = [wrong] * 6
    found = Ensemble(teachers, "oracle")(batch(6, targets, [True] + [False] * 5))["logits"]
    expected = torch.full((3,), ABSENT)
    expected[wrong] = 0.0
    assert torch.equal(found[0], expected)
    mean = Ensemble(teachers)(batch())["logits"]
    torch.testing.assert_close(found[1:], mean[1:])
    assert torch.equal(Ensemble(teachers, "oracle")(batch())["logits"], mean)
    assert (found[0] / 100).softmax(0)[wrong] == 1


def test_regression_averages_values():
    task = Regression(mean=1.0, std=2.0)
    teachers = [frozen(1, seed) for seed in range(2)]
    one, other = (each(batch(), task)["value"] for each in teachers)
    found = Ensemble(teachers, weights=[1, 3])(batch(), task)["value"]
    torch.testing.assert_close(found, 0.25 * one + 0.75 * other)
    assert torch.equal(Ensemble(teachers[:1])(batch(), task)["value"], one)


def test_members_may_be_any_teacher_with_inputs_of_their_own():
    rows = torch.randn(5, 4)
    inputs = {"teacher 1": rows, "teacher 2": rows[:, :2], "student": torch.zeros(5, 1)}
    forest = Predictor(lambda values: values[:, [0, 1, 1]], role="teacher 2")
    inner = Ensemble([frozen(role="teacher 1"), frozen(seed=1, role="teacher 1")])
    teacher = Ensemble([inner, forest])
    found = teacher(Batch(inputs), Classification())["logits"].exp()
    expected = (inner(Batch(inputs))["logits"].softmax(1) + rows[:, [0, 1, 1]].softmax(1)) / 2
    torch.testing.assert_close(found, expected)
    assert teacher.forwards == 15  # three samples asked for each


def test_gives_layers_of_one_member():
    teachers = [frozen(), frozen(seed=1)]
    teacher = Ensemble([teachers[0], Ensemble(teachers)])
    names = ["1/2", "2/2/0", "2/logits", "logits"]
    found = teacher(batch(), Classification(), names)
    assert sorted(found) == ["1/2", "2/2/0", "2/logits", "logits"]
    assert torch.equal(found["1/2"], teachers[0](batch(), None, ["2"])["2"])
    assert torch.equal(found["2/2/0"], teachers[1](batch(), None, ["0"])["0"])
    assert torch.equal(found["2/logits"], Ensemble(teachers)(batch())["logits"])


@pytest.mark.parametrize("name", ["layer3", "3/0", "0/0", "1/", "/0", "x/0"])
def test_layers_of_nobody_are_refused(name):
    with pytest.raises(LimbeckError, match="'1/"):
        Ensemble([frozen(), frozen()])(batch(), None, [name])


def test_members_stay_as_they_are():
    teachers = [frozen(), frozen(seed=1)]
    before = [state(each) for each in teachers]
    for each in teachers:
        each.model.train()
    teacher = Ensemble(teachers)
    inputs = batch().inputs.requires_grad_()
    found = [teacher(Batch(inputs))["logits"] for _ in range(2)]
    assert torch.equal(*found)
    assert not found[0].requires_grad
    for each, kept in zip(teachers, before, strict=True):
        assert all(torch.equal(kept[name], value) for name, value in state(each).items())
        assert not any(parameter.requires_grad for parameter in each.model.parameters())


def test_is_a_teacher_whose_fingerprint_tells_members_and_weights():
    prints = {
        Ensemble([frozen(), frozen(seed=1)]).fingerprint(),
        Ensemble([frozen(seed=1), frozen()]).fingerprint(),
        Ensemble([frozen(), frozen(seed=2)]).fingerprint(),
        Ensemble([frozen(), frozen(seed=1)], "logits").fingerprint(),
        Ensemble([frozen(), frozen(seed=1)], weights=[1, 2]).fingerprint(),
        Ensemble([frozen(), Predictor(lambda rows: rows)]).fingerprint(),
    }
    assert len(prints) == 6
    assert Ensemble([frozen(), frozen(seed=1)]).fingerprint() in prints
    assert isinstance(Ensemble([frozen()]), Teacher)


def test_teaches_in_a_scheme_features_included():
    student = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    teacher = Ensemble([frozen(), frozen(seed=1)], "oracle")
    terms = [
        Term(losses.KD(temperature=2)),
        Term(losses.LogitRegression(), student="0", teacher="2/2", adapter=nn.Linear(8, 8)),
    ]
    pairs = [(torch.randn(4), index % 3) for index in range(16)]
    run = fit(Offline(student, teacher, terms), Feed.of(pairs, pairs), Plan(epochs=2, batch_size=8))
    assert all(math.isfinite(row["loss"]) for row in run.history)
    assert teacher.forwards == 2 * 2 * 16


def test_the_label_as_answer_teaches_like_the_label():
    logits = torch.randn(4, 3, requires_grad=True)
    labels = torch.tensor([0, 1, 2, 0])
    wrong = Fixed(-10 * torch.eye(3)[labels])  # never right
    known = Ensemble([wrong, wrong], "oracle")(batch(4, labels.tolist()))["logits"]
    value = losses.KD(temperature=1)(logits, known)
    expected = torch.nn.functional.cross_entropy(logits, labels)
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize(
    ("make", "about"),
    [
        (lambda: Ensemble([]), "at least one"),
        (lambda: Ensemble(frozen()), "list"),
        (lambda: Ensemble([network()]), r"Frozen\(model\)"),
        (lambda: Ensemble([frozen(), "timm:resnet18"]), "teacher 2"),
        (lambda: Ensemble([frozen()], "mean"), "oracle"),
        (lambda: Ensemble([frozen()], weights=[1, 2]), "as many weights"),
        (lambda: Ensemble([frozen(), frozen()], weights=[0, 1]), "above 0"),
        (lambda: Ensemble([frozen(), frozen()], weights=[float("nan"), 1]), "above 0"),
        (lambda: Ensemble([frozen(), frozen(4)])(batch()), "Merged"),
        (lambda: Ensemble([frozen(1)], "oracle")(batch(), Regression()), "oracle"),
        (lambda: Ensemble([frozen()] * 2, "oracle")(batch(2, [0, 3])), "count from 0"),
        (lambda: Ensemble([frozen()] * 2, "oracle")(batch(2, [0.5, 1.0])), "class index"),
    ],
)
def test_refuses(make, about):
    with pytest.raises(LimbeckError, match=about):
        make()


def test_frozen_members_run_in_their_own_precision_under_autocast():
    teacher = Ensemble([Frozen(network(), precision="fp32"), Frozen(network(seed=1), precision="fp32")])
    exact = teacher(batch())["logits"]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(teacher(batch())["logits"], exact)
