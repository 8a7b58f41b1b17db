"""A frozen teacher, any terms."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from limbeck import Batch, Classification, Frozen, LimbeckError, Offline, Predictor, Regression, Term, losses
from limbeck.losses import DistillationLoss
from limbeck.types import Progress


def net(outputs=3, seed=0, width=6):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, outputs))


def batch(rows=8):
    generator = torch.Generator().manual_seed(5)
    return Batch(torch.randn(rows, 4, generator=generator), torch.arange(rows) % 3, torch.arange(rows))


def test_parts_are_the_weighted_hard_and_soft_losses():
    student, teacher = net(), net(seed=1)
    scheme = Offline(student, Frozen(teacher), [Term(losses.KD(temperature=2), weight=0.7)], task_weight=0.3)
    parts = scheme(batch())
    logits = student(batch().inputs)
    assert parts["task"].item() == pytest.approx(
        0.3 * F.cross_entropy(logits, batch().targets).item(), rel=1e-5
    )
    expected = 0.7 * losses.KD(temperature=2)(logits, teacher(batch().inputs)).item()
    assert parts["KD"].item() == pytest.approx(expected, rel=1e-5)
    assert set(parts) == {"task", "KD"}


def test_gradient_reaches_the_student_only():
    student, teacher = net(), net(seed=1)
    scheme = Offline(student, Frozen(teacher), [Term(losses.KD())])
    torch.stack(list(scheme(batch()).values())).sum().backward()
    assert all(each.grad is not None for each in student.parameters())
    assert all(each.grad is None for each in teacher.parameters())


def test_teacher_is_no_part_of_the_scheme():
    student, teacher = net(), net(seed=1, width=50)
    scheme = Offline(student, Frozen(teacher), [Term(losses.KD())])
    assert sorted(scheme.state_dict()) == sorted(f"student.{name}" for name in student.state_dict())
    mine = {id(each) for group in scheme.parameter_groups() for each in group["params"]}
    assert mine == {id(each) for each in student.parameters()}
    assert scheme.deployable() is student
    scheme.train()
    assert not teacher.training


def test_terms_may_use_layers_and_the_same_pair_twice():
    student, teacher = net(width=6), net(seed=1, width=9)
    adapter = nn.Linear(6, 9)
    scheme = Offline(
        student,
        Frozen(teacher),
        [
            Term(losses.KD(temperature=2), name="soft"),
            Term(losses.KD(temperature=8), name="softer"),
            Term(losses.LogitRegression(), student="1", teacher="1", adapter=adapter, name="hint"),
        ],
    )
    parts = scheme(batch())
    assert set(parts) == {"task", "soft", "softer", "hint"}
    expected = losses.LogitRegression()(adapter(student[:2](batch().inputs)), teacher[:2](batch().inputs))
    assert parts["hint"].item() == pytest.approx(expected.item(), rel=1e-5)
    parts["hint"].backward()
    assert adapter.weight.grad.abs().sum() > 0
    assert teacher[0].weight.grad is None
    assert {id(each) for each in adapter.parameters()} <= {
        id(each) for group in scheme.parameter_groups() for each in group["params"]
    }


def test_schedules_read_the_progress_that_the_loop_sets():
    scheme = Offline(
        net(),
        Frozen(net(seed=1)),
        [Term(losses.KD(), weight=lambda progress: progress.fraction)],
        task_weight=lambda progress: 1 - progress.fraction,
    )
    scheme.progress = Progress(step=0, total_steps=2)
    first = {name: part.item() for name, part in scheme(batch()).items()}
    assert first["KD"] == 0
    scheme.progress.step = 2
    last = {name: part.item() for name, part in scheme(batch()).items()}
    assert last["task"] == 0
    scheme.progress.step = 1
    middle = {name: part.item() for name, part in scheme(batch()).items()}
    assert middle == pytest.approx({"task": first["task"] / 2, "KD": last["KD"] / 2})


def test_partly_labelled_batch_learns_labels_where_there_are_any():
    whole = batch()
    part = Batch(whole.inputs, whole.targets, whole.index, labelled=torch.arange(8) < 3)
    scheme = Offline(net(), Frozen(net(seed=1)), [Term(losses.KD())])
    first = Batch(whole.inputs[:3], whole.targets[:3])
    assert scheme(part)["task"].item() == pytest.approx(scheme(first)["task"].item(), rel=1e-5)
    assert scheme(part)["KD"].item() == pytest.approx(scheme(whole)["KD"].item(), rel=1e-6)


def test_regression_goes_through_the_same_door():
    task = Regression(mean=10.0, std=2.0)
    teacher = Predictor(lambda rows: 10 + 2 * rows[:, 0])
    student = nn.Linear(4, 1)
    scheme = Offline(
        student, teacher, [Term(losses.LogitRegression(), student="value", teacher="value")], task=task
    )
    rows = Batch(batch().inputs, 10 + 2 * batch().inputs[:, 1])
    parts = scheme(rows)
    value = (student(rows.inputs).flatten() - 10) / 2
    assert parts["LogitRegression"].item() == pytest.approx(
        0.5 * (value - rows.inputs[:, 0]).square().mean().item(), rel=1e-4
    )
    assert parts["task"].item() == pytest.approx((value - rows.inputs[:, 1]).square().mean().item(), rel=1e-4)


def test_smallest_batch_is_the_largest_that_any_term_needs():
    class Pairs(DistillationLoss):
        smallest_batch = 2

        def forward(self, student, teacher, context=None):
            return student.std(0).sum()

    teacher = Frozen(net(seed=1))
    assert Offline(net(), teacher, [Term(losses.KD())]).smallest_batch == 1
    assert Offline(net(), teacher, [Term(losses.KD()), Term(Pairs())]).smallest_batch == 2


def test_identity_tells_teachers_apart():
    one = Offline(net(), Frozen(net(seed=1)), [Term(losses.KD())]).identity()
    same = Offline(net(seed=9), Frozen(net(seed=1)), [Term(losses.KD())]).identity()
    other = Offline(net(), Frozen(net(seed=2)), [Term(losses.KD())]).identity()
    assert one == same
    assert one != other


def test_identity_tells_what_is_taught_apart():
    teacher = Frozen(net(seed=1))
    known = [
        Offline(net(), teacher, [Term(losses.KD(temperature=4))]),
        Offline(net(), teacher, [Term(losses.KD(temperature=2))]),
        Offline(net(), teacher, [Term(losses.KD(temperature=4), weight=0.5)]),
        Offline(net(), teacher, [Term(losses.KD(temperature=4))], task_weight=0.5),
        Offline(net(), teacher, [Term(losses.LogitRegression())]),
        Offline(net(), teacher, [Term(losses.LogitRegression(), student="1", teacher="1")]),
    ]
    assert len({str(each.identity()) for each in known}) == len(known)


@pytest.mark.parametrize(
    ("teacher", "terms", "message"),
    [
        (net(), [Term(losses.KD())], "Frozen"),
        (Frozen(net()), [], "term"),
        (Frozen(net()), [Term(losses.KD()), Term(losses.KD(temperature=2))], "KD"),
        (Frozen(net()), [Term(losses.KD(), name="task")], "task"),
    ],
)
def test_wiring_that_cannot_be_meant_is_refused(teacher, terms, message):
    with pytest.raises(LimbeckError, match=message):
        Offline(net(), teacher, terms)


def test_task_weight_is_checked():
    with pytest.raises(LimbeckError, match="task_weight"):
        Offline(net(), Frozen(net()), [Term(losses.KD())], task_weight=-0.1)


def test_student_that_is_its_own_frozen_teacher_is_refused():
    student = net()
    with pytest.raises(LimbeckError, match="copy"):
        Offline(student, Frozen(student), [Term(losses.KD())])
    Offline(net(), Frozen(copy.deepcopy(student)), [Term(losses.KD())])


def test_outputs_that_do_not_fit_are_refused_with_both_shapes():
    scheme = Offline(net(outputs=3), Frozen(net(outputs=5)), [Term(losses.KD())])
    with pytest.raises(LimbeckError, match=r"3.*5|5.*3"):
        scheme(batch())


def test_unlabelled_batch_is_taught_without_a_hard_loss():
    scheme = Offline(net(), Frozen(net(seed=1)), [Term(losses.KD())], task=Classification())
    assert set(scheme(Batch(batch().inputs))) == {"KD"}


@pytest.mark.parametrize("given", [losses.KD(), Term(losses.KD())])
def test_a_single_term_is_asked_for_in_a_list(given):
    with pytest.raises(LimbeckError, match="takes a list of terms"):
        Offline(net(), Frozen(net()), given)
