"""A teacher made by hand, of the label alone."""

from math import log

import pytest
import torch

from limbeck import Batch, LimbeckError, Regression, Term, fit, losses
from limbeck.schemes import TeacherFree
from schemes import trials
from schemes.trials import PLAN, batch
from train.toys import feed, mlp


def net(seed=0):
    return mlp(seed, dropout=0.3, norm=True)


def by_hand(logits, labels, a, temperature, known=None):
    """Return T² KL from the virtual teacher to the student, sample by sample."""
    which = range(len(logits)) if known is None else known
    total = 0.0
    for n in which:
        classes = len(logits[n])
        virtual = [log(a) if c == labels[n] else log((1 - a) / (classes - 1)) for c in range(classes)]
        p, q = (trials.softmax([each / temperature for each in row]) for row in (virtual, logits[n]))
        total += sum(one * log(one / other) for one, other in zip(p, q, strict=True))
    return temperature**2 * total / len(which)


def test_is_the_formula():
    scheme = TeacherFree(mlp(), probability=0.9).double()
    rows = Batch(batch().inputs.double(), batch().targets)
    logits, labels = scheme.student(rows.inputs).tolist(), rows.targets.tolist()
    parts = {name: part.item() for name, part in scheme(rows).items()}
    expected = {
        "task": 0.9 * trials.hard(logits, labels),
        "LabelSmoothingTeacher": 0.1 * by_hand(logits, labels, 0.9, 20),
    }
    assert parts == pytest.approx(expected, rel=1e-9)


def test_any_loss_on_logits_learns_from_the_virtual_teacher():
    scheme = TeacherFree(mlp(), [Term(losses.KD(temperature=3), weight=0.5)], probability=0.8).double()
    rows = Batch(batch().inputs.double(), batch().targets)
    logits, labels = scheme.student(rows.inputs).tolist(), rows.targets.tolist()
    assert scheme(rows)["KD"].item() == pytest.approx(0.5 * by_hand(logits, labels, 0.8, 3), rel=1e-9)


@pytest.mark.parametrize("loss", [losses.LabelSmoothingTeacher(), losses.KD(), losses.NKD()])
def test_samples_without_a_label_count_nowhere(loss):
    scheme = TeacherFree(mlp(), [loss])
    part = scheme(batch(labelled=torch.arange(8) < 3))
    first = scheme(Batch(batch().inputs[:3], batch().targets[:3]))
    assert {name: each.item() for name, each in part.items()} == pytest.approx(
        {name: each.item() for name, each in first.items()}, rel=1e-5
    )


@pytest.mark.parametrize("given", [{"targets": None}, {"labelled": torch.zeros(8, dtype=torch.bool)}])
@pytest.mark.parametrize("loss", [losses.LabelSmoothingTeacher(), losses.KD()])
def test_no_label_at_all_is_a_loss_of_zero_with_a_gradient_of_zero(given, loss):
    scheme = TeacherFree(mlp(), [loss])
    parts = scheme(Batch(**{"inputs": batch().inputs, "targets": batch().targets, **given}))
    sum(parts.values()).backward()
    assert {each.item() for each in parts.values()} == {0.0}
    assert all(each.grad.abs().sum() == 0 for each in scheme.student.parameters())


def test_targets_that_are_marked_themselves_go_through():
    targets = batch().targets.clone()
    targets[3:] = -100
    marked = TeacherFree(mlp())(Batch(batch().inputs, targets))
    first = TeacherFree(mlp())(Batch(batch().inputs[:3], targets[:3]))
    for name, part in marked.items():
        assert part.item() == pytest.approx(first[name].item(), rel=1e-5)


def test_no_network_but_the_student_runs_and_all_of_it_learns():
    scheme = TeacherFree(net())
    assert trials.runs_as_declared(scheme, {"student": scheme.student}) == {"student": 1}
    trials.learns_all(TeacherFree(mlp(0)))  # a bias in front of BatchNorm has no gradient but rounding
    assert scheme.state_dict().keys() == {f"student.{name}" for name in scheme.student.state_dict()}
    assert scheme.deployable() is scheme.student


def test_trains_and_resumes(tmp_path):
    trials.resumes(lambda: TeacherFree(net()), tmp_path, [7])
    run = fit(TeacherFree(net()), feed(), PLAN)
    assert run.teacher_forwards == 0
    assert {"loss_task", "loss_LabelSmoothingTeacher"} <= run.history[0].keys()


def test_two_in_one_process_do_not_meet():
    trials.apart(lambda: TeacherFree(net()))


def test_schedules_count():
    term = Term(losses.LabelSmoothingTeacher(), weight=lambda progress: 1 - progress.fraction)
    scheme = trials.at(TeacherFree(mlp(), [term], task_weight=lambda progress: progress.fraction), 4)
    plain = TeacherFree(mlp(), [losses.LabelSmoothingTeacher()], task_weight=1.0)
    parts, whole = scheme(batch()), plain(batch())
    assert parts["task"].item() == pytest.approx(0.25 * whole["task"].item())
    name = "LabelSmoothingTeacher"
    assert parts[name].item() == pytest.approx(0.75 * whole[name].item())


def test_runs_under_autocast():
    with torch.autocast("cpu", torch.bfloat16):
        parts = TeacherFree(mlp(), [losses.KD()])(batch())
    assert all(torch.isfinite(each) for each in parts.values())


def test_identity_tells_what_a_resumed_run_must_not_change():
    known = [
        TeacherFree(mlp()),
        TeacherFree(mlp(), probability=0.9),
        TeacherFree(mlp(), task_weight=0.5),
        TeacherFree(mlp(), [losses.KD()]),
        TeacherFree(mlp(), [losses.KD()], probability=0.9),
    ]
    assert len({str(each.identity()) for each in known}) == len(known)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"terms": []}, "at least one term"),
        (
            {"terms": [Term(losses.LogitRegression(), "0", "0", name="hint")]},
            "hint.*no layers|no layers.*hint",
        ),
        ({"terms": [losses.DIST()]}, "DIST relates samples"),
        ({"terms": [losses.KD(), losses.KD()]}, "KD"),
        ({"probability": 0.3}, "probability"),
        ({"task_weight": -1}, "task_weight"),
        ({"task": Regression()}, "regression"),
    ],
)
def test_what_a_virtual_teacher_cannot_do_is_refused(given, message):
    with pytest.raises(LimbeckError, match=message):
        TeacherFree(mlp(), **given)
