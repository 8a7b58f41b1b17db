"""The teacher as a guard of heavy augmentation."""

import math

import pytest
import torch
from torch import nn

from limbeck import Batch, Frozen, LimbeckError, Offline, Predictor, Regression, Term, losses
from limbeck.schemes import AugmentationByTeacher
from train.toys import mlp, problem


def batch(rows=12, labelled=None):
    x, y = problem(rows, seed=5)
    mask = None if labelled is None else torch.arange(rows) < labelled
    return Batch(x.double(), y, torch.arange(rows), labelled=mask)


def teacher():
    """Return a teacher that is right of some samples only."""
    net = mlp(1, width=12).double()
    with torch.no_grad():
        net[-1].weight.mul_(15)
    return net


def by_hand(scheme, rows, recognised):
    """Return the loss parts of the definition, sample by sample, in plain Python."""
    with torch.no_grad():
        s = scheme.student(rows.inputs).log_softmax(1).tolist()
        t = scheme.teacher.model(rows.inputs).softmax(1).tolist()
    hard, labels, counted = 0.0, 0, 0
    for number, true in enumerate(rows.targets.tolist()):
        if rows.labelled is not None and not rows.labelled[number]:
            continue
        labels += 1
        likeliest = max(range(3), key=t[number].__getitem__)
        if likeliest == true if recognised is None else t[number][true] >= recognised:
            hard -= s[number][true]
            counted += 1
    soft = sum(
        p * (math.log(p) - q) for ps, qs in zip(t, s, strict=True) for p, q in zip(ps, qs, strict=True)
    )
    return {"task": hard / labels, "KD": soft / len(s)}, counted / labels


@pytest.mark.parametrize("recognised", [None, 0.1, 0.4])
@pytest.mark.parametrize("labelled", [None, 7])
def test_parts_are_those_of_the_definition(recognised, labelled):
    scheme = AugmentationByTeacher(mlp().double(), Frozen(teacher()), recognised=recognised)
    rows = batch(labelled=labelled)
    parts = {name: part.item() for name, part in scheme(rows).items()}
    expected, kept = by_hand(scheme, rows, recognised)
    assert parts == pytest.approx(expected, rel=1e-9)
    assert scheme.kept == kept
    assert 0 < kept < 1


@pytest.mark.parametrize("labelled", [None, 7])
def test_the_papers_loss_is_offlines(labelled):
    terms = [Term(losses.KD(temperature=1), weight=0.5)]
    paper = AugmentationByTeacher(mlp().double(), Frozen(teacher()), terms, task_weight=0.7, recognised=0)
    offline = Offline(mlp().double(), Frozen(teacher()), terms, task_weight=0.7)
    rows = batch(labelled=labelled)
    assert {name: part.item() for name, part in paper(rows).items()} == pytest.approx(
        {name: part.item() for name, part in offline(rows).items()}, rel=1e-12
    )


def test_draws_that_nobody_recognises_teach_their_soft_labels_alone():
    wrong = Predictor(lambda rows: 9 * nn.functional.one_hot((batch().targets + 1) % 3, 3))
    scheme = AugmentationByTeacher(mlp(), wrong)
    parts = scheme(Batch(batch().inputs.float(), batch().targets))
    assert parts["task"].item() == 0
    parts["task"].backward(retain_graph=True)
    assert all((each.grad == 0).all() for each in scheme.parameters())
    parts["KD"].backward()
    assert scheme.student[0].weight.grad.abs().sum() > 0
    assert scheme.kept == 0


def test_the_gradient_of_a_lost_label_is_that_of_no_label():
    scheme = AugmentationByTeacher(mlp().double(), Frozen(teacher()))
    known = teacher()(batch().inputs).argmax(1) == batch().targets
    scheme(batch())["task"].backward()
    found = scheme.student[0].weight.grad.clone()
    scheme.zero_grad()
    rows = nn.functional.cross_entropy(scheme.student(batch().inputs), batch().targets, reduction="none")
    (rows[known].sum() / len(rows)).backward()
    torch.testing.assert_close(found, scheme.student[0].weight.grad)


def test_an_unlabelled_batch_is_taught_without_a_hard_loss():
    scheme = AugmentationByTeacher(mlp().double(), Frozen(teacher()))
    assert set(scheme(Batch(batch().inputs))) == {"KD"}
    assert scheme(batch(labelled=0))["task"].item() == 0
    assert scheme.kept is None


def test_judgements_are_of_training_and_are_saved():
    scheme = AugmentationByTeacher(mlp().double(), Frozen(teacher()))
    scheme.eval()
    scheme(batch())
    assert scheme.kept is None
    scheme.train()
    scheme(batch(labelled=7))
    assert scheme.judged[0] == 7
    assert "judged" in scheme.state_dict()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recognised": 1.5}, "recognised must be"),
        ({"recognised": "yes"}, "recognised must be"),
        ({"task": Regression()}, "labels of classes"),
        ({"task_weight": 0}, "none to guard"),
        ({"task_weight": None}, "none to guard"),
        ({"terms": []}, "AugmentationByTeacher needs at least one term"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, message):
    with pytest.raises(LimbeckError, match=message):
        AugmentationByTeacher(mlp(), Frozen(mlp(1)), **options)


def test_answers_of_several_positions_are_refused():
    places = nn.Sequential(nn.Linear(4, 6), nn.Unflatten(1, (2, 3)))
    with pytest.raises(LimbeckError, match="one label a sample"):
        AugmentationByTeacher(mlp(), Frozen(places))(Batch(batch().inputs.float(), batch().targets))
