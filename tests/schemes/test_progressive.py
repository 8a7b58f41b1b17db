"""Targets are mixed with the student's own prediction of the last epoch."""

from math import log

import pytest
import torch
from torch import nn

from limbeck import Batch, LimbeckError, Plan, Regression, Term, fit, losses
from limbeck.schemes import Progressive
from limbeck.tasks import Task
from limbeck.types import Progress
from schemes import trials
from schemes.trials import PLAN, batch, state
from train.toys import feed, mlp, same_state


def net(seed=0):
    return mlp(seed, dropout=0.3, norm=True)


def hint():
    torch.manual_seed(3)
    return Term(losses.LogitRegression(), "0", "0", 0.1, nn.Linear(8, 8), name="hint")


def teaching(student=None, epoch=2, **given):
    """Return a scheme in an epoch of 4, whose student has moved on since the last."""
    scheme = Progressive(student or mlp(), **given)
    scheme.after_epoch()
    with torch.no_grad():
        for each in scheme.student.parameters():
            each.add_(
                torch.rand(each.shape, generator=torch.Generator().manual_seed(each.numel())), alpha=0.3
            )
    scheme.progress = Progress(4 * epoch, 16, epoch, 4)
    return scheme


def mixed(scheme, rows, share):
    """Return the cross-entropy to mixed targets as the paper writes it, sample by sample."""
    mine, its = (net(rows.inputs).tolist() for net in (scheme.student, scheme.teacher.model))
    total = []
    for n, (row, old) in enumerate(zip(mine, its, strict=True)):
        p, past = trials.softmax(row), trials.softmax(old)
        label = int(rows.targets[n])
        target = [(1 - share) * (c == label) + share * q for c, q in enumerate(past)]
        total.append(-sum(t * log(q) for t, q in zip(target, p, strict=True)))
    return sum(total) / len(total)


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_the_sum_is_the_cross_entropy_to_the_mixed_target(epoch):
    scheme = teaching(epoch=epoch).double()
    rows = Batch(batch().inputs.double(), batch().targets)
    share = 0.8 * (epoch + 1) / 4
    parts = scheme(rows)
    assert set(parts) == {"task", "last epoch"}
    assert sum(parts.values()).item() == pytest.approx(mixed(scheme, rows, share), rel=1e-9)


def test_and_so_is_its_gradient():
    scheme = teaching()
    sum(scheme(batch()).values()).backward()
    found = [each.grad.clone() for each in scheme.student.parameters()]
    past = scheme.teacher.model(batch().inputs).softmax(-1)
    target = 0.4 * nn.functional.one_hot(batch().targets, 3) + 0.6 * past
    loss = nn.functional.cross_entropy(scheme.student(batch().inputs), target)
    for mine, its in zip(found, torch.autograd.grad(loss, list(scheme.student.parameters())), strict=True):
        torch.testing.assert_close(mine, its)


def test_weight_grows_linearly_and_the_first_epoch_is_plain():
    scheme = teaching(weight=0.6)
    shares = []
    for epoch in range(4):
        scheme.progress.epoch = epoch
        shares.append(scheme.share())
    assert shares == pytest.approx([0, 0.3, 0.45, 0.6])
    scheme.progress.epoch = 0
    parts = scheme(batch())
    assert set(parts) == {"task"}
    labels = batch().targets.tolist()
    assert parts["task"].item() == pytest.approx(trials.hard(scheme.student(batch().inputs).tolist(), labels))


def test_a_schedule_gives_the_weight_itself():
    scheme = teaching(weight=lambda progress: progress.fraction)
    assert scheme.share() == 0.5
    scheme.progress.epoch = 0
    assert scheme.share() == 0
    with pytest.raises(LimbeckError, match="from 0 to 1"):
        teaching(weight=lambda progress: 1.5)(batch())


def test_samples_without_a_label_learn_from_their_own_past_alone():
    scheme = teaching()
    whole, part = scheme(batch()), scheme(batch(labelled=torch.arange(8) < 3))
    first = scheme(Batch(batch().inputs[:3], batch().targets[:3]))
    assert part["task"].item() == pytest.approx(first["task"].item())
    assert part["last epoch"].item() == pytest.approx(whole["last epoch"].item())
    assert set(scheme(Batch(batch().inputs))) == {"last epoch"}


def test_teacher_is_the_student_at_the_end_of_the_last_epoch():
    scheme, ends, seen = Progressive(net()), [], []
    forward, taken = scheme.forward, scheme.after_epoch

    def look(batch, phase="main", group=0):
        seen.append((scheme.progress.epoch, state(scheme.teacher.model)))
        return forward(batch, phase, group)

    def end():
        ends.append(state(scheme.student))
        taken()

    scheme.forward, scheme.after_epoch = look, end
    run = fit(scheme, feed(), PLAN)
    assert all(same_state(known, ends[epoch - 1]) for epoch, known in seen if epoch)
    assert not same_state(ends[0], ends[1])
    assert run.teacher_forwards == scheme.teacher.forwards == 3 * 40
    assert "loss_last epoch" not in run.history[0]
    assert "loss_last epoch" in run.history[1]


def test_forwards_are_as_declared_in_the_first_epoch_and_later():
    for epoch, known in ((0, {"student": 1}), (1, {"student": 1, "teacher": 1})):
        scheme = teaching(net(), epoch)
        networks = {"student": scheme.student, "teacher": scheme.teacher.model}
        assert trials.runs_as_declared(scheme, networks) == known


def test_teacher_stays_as_it_was():
    trials.teaches_unchanged(teaching(net()))


def test_all_that_is_learnable_learns():
    scheme = teaching(terms=[losses.KD(), hint()])
    assert scheme.partial
    trials.learns_all(scheme, scheme.teacher)


def test_terms_of_ones_own_count_as_much():
    scheme = teaching(terms=[Term(losses.KD(), weight=2.0), hint()])
    known, taught = scheme.student(batch().inputs), scheme.teacher.model(batch().inputs)
    parts = scheme(batch())
    assert parts["KD"].item() == pytest.approx(0.6 * 2 * losses.KD()(known, taught).item(), rel=1e-5)
    assert set(parts) == {"task", "KD", "hint"}


@pytest.mark.parametrize("terms", [None, "hint"])
def test_resumes_across_the_border_of_an_epoch(tmp_path, terms):
    def make():
        return Progressive(net(), None if terms is None else [losses.KD(), hint()])

    trials.resumes(make, tmp_path, [2, 4, 5, 8])


def test_two_in_one_process_do_not_meet():
    trials.apart(lambda: Progressive(net()))


def test_own_loop():
    scheme = Progressive(mlp())
    optimizer = torch.optim.SGD(scheme.parameter_groups(), 0.1)
    scheme.progress = Progress(total_steps=4, epochs=2)
    names = []
    for epoch in range(2):
        scheme.progress.epoch = epoch
        for _ in range(2):
            scheme.before_step()
            optimizer.zero_grad()
            parts = scheme(batch())
            names.append(sorted(parts))
            sum(parts.values()).backward()
            optimizer.step()
        scheme.after_epoch()
    assert names == [["task"]] * 2 + [["last epoch", "task"]] * 2
    assert scheme.deployable() is scheme.student


def test_a_loop_that_forgets_the_end_of_the_epoch_is_told():
    scheme = Progressive(mlp())
    scheme.progress = Progress(epoch=1, epochs=2)
    with pytest.raises(LimbeckError, match="after_epoch"):
        scheme(batch())


def test_mixed_values_in_regression_have_the_gradient_of_the_mixed_target():
    task = Regression(mean=1.0, std=2.0)
    scheme = teaching(mlp(outputs=1), task=task)
    rows = Batch(batch().inputs, torch.rand(8))
    sum(scheme(rows).values()).backward()
    found = scheme.student[0].weight.grad.clone()
    mine, past = ((net(rows.inputs).flatten() - 1) / 2 for net in (scheme.student, scheme.teacher.model))
    target = 0.4 * (rows.targets - 1) / 2 + 0.6 * past
    (expected,) = torch.autograd.grad((mine - target).square().mean(), [scheme.student[0].weight])
    torch.testing.assert_close(found, expected)


def test_identity_tells_what_a_resumed_run_must_not_change():
    known = [Progressive(mlp()), Progressive(mlp(), weight=0.5), Progressive(mlp(), [losses.KD()])]
    assert len({str(each.identity()) for each in known}) == len(known)
    assert Progressive(mlp()).identity() == Progressive(mlp(3)).identity()


@pytest.mark.parametrize("weight", [-0.1, 1.1, "0.5", None])
def test_weight_out_of_range_is_refused(weight):
    with pytest.raises(LimbeckError, match="weight"):
        Progressive(mlp(), weight=weight)


def test_a_single_epoch_is_refused_before_its_first_step():
    with pytest.raises(LimbeckError, match="at least 2 epochs"):
        fit(Progressive(mlp()), feed(), Plan(epochs=1, batch_size=10, device="cpu"))


class Other(Task):
    """A task that is neither classification nor regression."""

    name, outputs, metric, higher_is_better = "other", ("boxes",), "hits", True

    def loss(self, outputs, batch):
        return outputs["boxes"].mean()

    def metrics(self, full=True):
        raise NotImplementedError

    def example_input(self):
        return torch.zeros(1, 4)


def test_a_task_of_another_kind_needs_terms():
    with pytest.raises(LimbeckError, match=r"other.*terms="):
        Progressive(mlp(), task=Other())
    term = Term(losses.LogitRegression(), "boxes", "boxes")
    assert set(teaching(task=Other(), terms=[term])(batch())) == {"task", "LogitRegression"}
