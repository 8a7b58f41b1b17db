"""The student's own snapshot teaches the rest of its training."""

import copy
from math import log

import pytest
import torch
from torch import nn

from limbeck import Batch, LimbeckError, Regression, Term, fit, losses
from limbeck.schemes import LastEpochs
from limbeck.types import Progress
from schemes import trials
from schemes.trials import PLAN, at, batch, state
from train.toys import feed, mlp, same_state


def net(seed=0):
    return mlp(seed, dropout=0.3, norm=True)


def hint():
    torch.manual_seed(3)
    return Term(losses.LogitRegression(), "0", "0", 0.1, nn.Linear(8, 8), name="hint")


def moved(scheme):
    """Give the student other weights than its snapshot has."""
    with torch.no_grad():
        for each in scheme.student.parameters():
            each.add_(
                torch.rand(each.shape, generator=torch.Generator().manual_seed(each.numel())), alpha=0.3
            )
    return scheme


def teaching(student=None, **given):
    """Return a scheme whose snapshot was taken at step 12 of 16 and whose student has moved on."""
    scheme = at(LastEpochs(student or mlp(), **given), 12)
    scheme.before_step()
    return moved(scheme)


def test_before_the_snapshot_it_is_supervised_and_nothing_teaches():
    student = mlp()
    scheme = at(LastEpochs(student), 11)
    scheme.before_step()
    parts = scheme(batch())
    assert set(parts) == {"task"}
    labels = batch().targets.tolist()
    assert parts["task"].item() == pytest.approx(trials.hard(student(batch().inputs).tolist(), labels))
    assert scheme.teacher.forwards == 0
    assert int(scheme.teacher.taken) == 0


def test_afterwards_it_is_the_formula():
    scheme = teaching().double()
    rows = Batch(batch().inputs.double(), batch().targets)
    parts = {name: part.item() for name, part in scheme(rows).items()}
    known, taught = (net(rows.inputs).tolist() for net in (scheme.student, scheme.teacher.model))
    kl = 0.0
    for mine, its in zip(known, taught, strict=True):
        p, q = (trials.softmax([each / 2 for each in row]) for row in (its, mine))
        kl += sum(a * log(a / b) for a, b in zip(p, q, strict=True)) / len(known)
    assert kl > 1e-3
    expected = {"task": 0.5 * trials.hard(known, rows.targets.tolist()), "KD": 0.5 * 4 * kl}
    assert parts == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("start", "steps", "taken"),
    [(0.7, 16, 12), (0.75, 16, 12), (0.5, 3, 2), (0.01, 16, 1), (0.1, 30, 3), (0.9, 4, 3), (0.5, 1, 1)],
)
def test_snapshot_is_taken_once_before_the_first_step_of_the_last_part(start, steps, taken):
    scheme = LastEpochs(mlp(), start=start)
    for step in range(steps + 1):
        scheme.progress = Progress(step, steps)
        scheme.before_step()
        assert int(scheme.teacher.taken) == (step >= taken)
        assert scheme.teaches == (step >= taken)


def test_the_loop_takes_it_and_counts_what_it_costs():
    scheme, seen = LastEpochs(net(), start=0.6), []
    forward = scheme.forward

    def look(batch, phase="main", group=0):
        seen.append((state(scheme.student), state(scheme.teacher.model)))
        return forward(batch, phase, group)

    scheme.forward = look
    run = fit(scheme, feed(), PLAN)
    same = [all(torch.equal(one[name], two[name]) for name in one if "weight" in name) for one, two in seen]
    assert [number for number, alike in enumerate(same) if alike] == [0, 10]  # as built, and as taken
    assert run.teacher_forwards == scheme.teacher.forwards == 6 * 10
    assert {"loss_task", "loss_KD"} <= run.history[-1].keys()
    assert run.last_state.keys() == net().state_dict().keys()


def test_forwards_are_as_declared_before_and_after():
    early, late = at(LastEpochs(net()), 5), teaching(net())
    for scheme, known in ((early, {"student": 1}), (late, {"student": 1, "teacher": 1})):
        networks = {"student": scheme.student, "teacher": scheme.teacher.model}
        assert trials.runs_as_declared(scheme, networks) == known


def test_teacher_stays_as_it_was_taken():
    trials.teaches_unchanged(teaching(net()))


def test_all_that_is_learnable_learns():
    scheme = teaching(terms=[losses.KD(), hint()])
    assert scheme.partial
    trials.learns_all(scheme, scheme.teacher)


def test_adapters_without_a_gradient_are_told_of_only_where_there_are_some():
    assert not LastEpochs(mlp()).partial
    assert LastEpochs(mlp(), [hint()]).partial


@pytest.mark.parametrize("terms", [None, "hint"])
def test_resumes_across_the_switch(tmp_path, terms):
    def make():
        return LastEpochs(net(), None if terms is None else [losses.KD(), hint()], start=0.6)

    trials.resumes(make, tmp_path, [3, 9, 10, 11, 14])


def test_two_in_one_process_do_not_meet():
    trials.apart(lambda: LastEpochs(net(), start=0.5))


def test_trained_a_second_time_takes_a_new_snapshot():
    scheme, plan = LastEpochs(mlp(), start=0.5), PLAN.model_copy(update={"epochs": 2})
    fit(scheme, feed(), plan)
    first = state(scheme.teacher.model)
    fit(scheme, feed(), plan)
    assert int(scheme.teacher.taken) == 2
    assert not same_state(first, state(scheme.teacher.model))


def test_own_loop():
    scheme = LastEpochs(mlp(), start=0.5)
    optimizer = torch.optim.SGD(scheme.parameter_groups(), 0.1)
    scheme.progress = Progress(total_steps=4)
    names = []
    for step in range(4):
        scheme.progress.step = step
        scheme.before_step()
        optimizer.zero_grad()
        parts = scheme(batch())
        names.append(sorted(parts))
        sum(parts.values()).backward()
        optimizer.step()
    assert names == [["task"]] * 2 + [["KD", "task"]] * 2
    assert scheme.deployable() is scheme.student


def test_schedule_of_the_task_weight_and_unlabelled_batches():
    scheme = teaching(task_weight=lambda progress: 1 - progress.fraction)
    whole = teaching(task_weight=1.0)
    assert scheme(batch())["task"].item() == pytest.approx(0.25 * whole(batch())["task"].item())
    assert set(scheme(Batch(batch().inputs))) == {"KD"}
    labelled = torch.arange(8) < 3
    part = whole(batch(labelled=labelled))
    assert part["task"].item() == pytest.approx(
        whole(Batch(batch().inputs[:3], batch().targets[:3]))["task"].item()
    )
    assert part["KD"].item() == pytest.approx(whole(batch())["KD"].item())


def test_reads_its_own_draw_of_the_sample():
    scheme, two = teaching(), batch(16).inputs.chunk(2)
    both = scheme(Batch({"student": two[0], "teacher": two[1]}, batch().targets))
    known = scheme.student(two[0])
    expected = 0.5 * losses.KD(temperature=2)(known, scheme.teacher.model(two[1]))
    assert both["KD"].item() == pytest.approx(expected.item(), rel=1e-6)


def test_values_are_taught_in_regression():
    student = mlp(outputs=1)
    scheme = at(LastEpochs(student, task=Regression(mean=1.0, std=2.0)), 12)
    scheme.before_step()
    before = copy.deepcopy(student)
    moved(scheme)
    rows = Batch(batch().inputs, torch.rand(8))
    gap = (student(rows.inputs) - before(rows.inputs)).flatten() / 2
    assert scheme(rows)["LogitRegression"].item() == pytest.approx(
        0.25 * gap.square().mean().item(), rel=1e-5
    )


def test_identity_tells_what_a_resumed_run_must_not_change():
    known = [
        LastEpochs(mlp()),
        LastEpochs(mlp(), start=0.6),
        LastEpochs(mlp(), task_weight=0.4),
        LastEpochs(mlp(), [losses.KD()]),
    ]
    assert len({str(each.identity()) for each in known}) == len(known)
    assert LastEpochs(mlp()).identity() == LastEpochs(mlp(3)).identity()


@pytest.mark.parametrize("start", [0, 1, 1.5, -0.1, "late", True])
def test_start_outside_the_training_is_refused(start):
    with pytest.raises(LimbeckError, match="start"):
        LastEpochs(mlp(), start=start)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"terms": []}, "at least one term"),
        ({"terms": losses.KD()}, "list of terms"),
        ({"terms": [losses.KD(), losses.KD()]}, "KD"),
        ({"task_weight": -1}, "task_weight"),
    ],
)
def test_wiring_that_cannot_be_meant_is_refused(given, message):
    with pytest.raises(LimbeckError, match=message):
        LastEpochs(mlp(), **given)


def test_a_frozen_student_is_refused():
    with pytest.raises(LimbeckError, match="frozen"):
        LastEpochs(mlp().requires_grad_(False))
