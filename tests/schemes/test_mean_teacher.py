"""The average of the student's weights teaches it on every sample."""

from math import exp

import pytest
import torch
from torch import nn

from limbeck import Batch, LimbeckError, Regression, Term, fit, losses
from limbeck.data import TensorSource, Views
from limbeck.data.loader import Part
from limbeck.schemes import MeanTeacher
from limbeck.train import Feed
from limbeck.types import Progress
from schemes import trials
from schemes.trials import PLAN, at, batch, state
from train.toys import feed, mlp, problem, same_state


def net(seed=0):
    return mlp(seed, dropout=0.3, norm=True)


def hint():
    torch.manual_seed(3)
    return Term(losses.LogitRegression(), "0", "0", 0.1, nn.Linear(8, 8), name="hint")


def apart(student=None, **given):
    """Return a scheme at full ramp, whose teacher is another network than the student."""
    scheme = at(MeanTeacher(student or mlp(), **given), 15)
    with torch.no_grad():
        for each in scheme.student.parameters():
            each.add_(
                torch.rand(each.shape, generator=torch.Generator().manual_seed(each.numel())), alpha=0.3
            )
    return scheme


def consistency(mine, its):
    """Return the mean over samples and classes of the squared difference, in plain Python."""
    pairs = [(trials.softmax(a), trials.softmax(b)) for a, b in zip(mine, its, strict=True)]
    return sum((p - q) ** 2 for a, b in pairs for p, q in zip(a, b, strict=True)) / sum(
        len(a) for a, _ in pairs
    )


@pytest.mark.parametrize("step", [0, 1, 2, 4, 15])
def test_is_the_formula_throughout_the_ramp(step):
    scheme = at(apart().double(), step)
    rows = Batch(batch().inputs.double(), batch().targets)
    mine, its = (net(rows.inputs).tolist() for net in (scheme.student, scheme.teacher.model))
    share = exp(-5 * (1 - min(1, (step / 16) / 0.25)) ** 2)
    expected = {
        "task": trials.hard(mine, rows.targets.tolist()),
        "Consistency": 100 * share * consistency(mine, its),
    }
    assert {name: part.item() for name, part in scheme(rows).items()} == pytest.approx(expected, rel=1e-9)


def test_no_ramp_is_the_full_weight_at_once():
    assert at(MeanTeacher(mlp(), ramp=0.0), 0).share() == 1.0
    assert at(MeanTeacher(mlp(), ramp=1.0), 8).share() == pytest.approx(exp(-5 * 0.25))


def test_all_samples_are_taught_and_the_labelled_have_a_hard_loss():
    scheme = apart()
    whole, part = scheme(batch()), scheme(batch(labelled=torch.arange(8) < 3))
    assert part["Consistency"].item() == pytest.approx(whole["Consistency"].item())
    first = scheme(Batch(batch().inputs[:3], batch().targets[:3]))
    assert part["task"].item() == pytest.approx(first["task"].item())
    assert set(scheme(Batch(batch().inputs))) == {"Consistency"}


def test_two_draws_are_read_by_the_two_networks():
    scheme, (one, other) = apart(), batch(16).inputs.chunk(2)
    found = scheme(Batch({"student": one, "teacher": other}))["Consistency"].item()
    expected = consistency(scheme.student(one).tolist(), scheme.teacher.model(other).tolist())
    assert found == pytest.approx(100 * expected, rel=1e-4)


def test_no_gradient_reaches_the_teacher_whatever_the_loss_does():
    class Undetached(losses.DistillationLoss):
        def forward(self, student, teacher, context=None):
            return (student - teacher).square().mean()

    scheme = apart(terms=[Undetached()])
    sum(scheme(batch()).values()).backward()
    assert all(each.grad is None for each in scheme.teacher.parameters())
    assert all(each.grad is not None for each in scheme.student.parameters())


def test_teacher_follows_after_each_step_in_the_direction_of_the_student():
    """T16: with a decay near one the teacher stays near its old self."""
    scheme = apart(decay=0.999)
    scheme.teacher.steps += 10**6
    old = scheme.teacher.model[0].weight.clone()
    scheme.after_step()
    now, new = scheme.teacher.model[0].weight, scheme.student[0].weight
    assert 0 < (now - old).norm() < 0.002 * (now - new).norm()


def test_in_the_loop_the_teacher_is_the_average_of_all_steps():
    scheme, seen = MeanTeacher(net(), decay=0.9), []
    follow = scheme.after_step

    def look():
        seen.append(scheme.student[0].weight.detach().double().clone())
        follow()

    scheme.after_step = look
    expected = scheme.student[0].weight.detach().double().clone()
    run = fit(scheme, feed(), PLAN.model_copy(update={"select": "last"}))
    for t, value in enumerate(seen, 1):
        decay = min(1 - 1 / (t + 1), 0.9)
        expected = decay * expected + (1 - decay) * value
    assert len(seen) == int(scheme.teacher.steps) == 16
    torch.testing.assert_close(scheme.teacher.model[0].weight.double(), expected, rtol=1e-5, atol=1e-6)
    assert run.teacher_forwards == scheme.teacher.forwards == 160


@pytest.mark.parametrize("deploy", ["teacher", "student"])
def test_what_is_deployed_is_what_is_validated_and_returned(deploy):
    scheme = MeanTeacher(net(), decay=0.9, deploy=deploy)
    run = fit(scheme, feed(), PLAN.model_copy(update={"select": "last"}))
    network = scheme.teacher.model if deploy == "teacher" else scheme.student
    assert run.model is network is scheme.deployable()
    assert same_state(run.last_state, state(network))
    assert scheme.role == deploy
    x, y = problem(55)
    right = (network.eval()(x[40:]).argmax(1) == y[40:]).float().mean().item()
    assert run.history[-1]["val_accuracy"] == pytest.approx(right)
    other = scheme.student if deploy == "teacher" else scheme.teacher.model
    assert not same_state(run.last_state, state(other))


def test_forwards_are_as_declared():
    scheme = MeanTeacher(net())
    networks = {"student": scheme.student, "teacher": scheme.teacher.model}
    assert trials.runs_as_declared(scheme, networks) == {"student": 1, "teacher": 1}


def test_teacher_is_the_same_before_and_after_a_batch():
    trials.teaches_unchanged(apart(net()))


def test_all_that_is_learnable_learns():
    scheme = apart(terms=[losses.KD(), hint()])
    assert not scheme.partial
    trials.learns_all(scheme, scheme.teacher)


@pytest.mark.parametrize("terms", [None, "hint"])
def test_resumes_at_any_step(tmp_path, terms):
    def make():
        return MeanTeacher(net(), None if terms is None else [losses.KD(), hint()], decay=0.8)

    trials.resumes(make, tmp_path, [1, 4, 6, 13])


def test_two_in_one_process_do_not_meet():
    trials.apart(lambda: MeanTeacher(net(), decay=0.8))


def test_own_loop():
    scheme = MeanTeacher(mlp(), decay=0.5)
    optimizer = torch.optim.SGD(scheme.parameter_groups(), 0.1)
    scheme.progress = Progress(total_steps=3)
    for step in range(3):
        scheme.progress.step = step
        scheme.before_step()
        optimizer.zero_grad()
        sum(scheme(batch(labelled=torch.arange(8) % 2 == step % 2)).values()).backward()
        optimizer.step()
        scheme.after_step()
    assert int(scheme.teacher.steps) == 3


def test_learns_from_samples_without_a_label_in_the_loop():
    """Few labels: what the loop trains on is marked, sample by sample."""

    class Marked:
        """Part of a feed whose later samples have no label."""

        def __init__(self, views):
            self.views = views

        def __getattr__(self, name):
            return getattr(self.views, name)

        def __getitems__(self, keys):
            from dataclasses import replace

            found = self.views.__getitems__(keys)
            return replace(found, labelled=found.index < 10)

    x, y = problem(40)
    source = TensorSource(x, y)
    part = Part(Marked(Views(source)), torch.arange(40))
    scheme = MeanTeacher(mlp(), decay=0.8)
    run = fit(scheme, Feed(part), PLAN.model_copy(update={"select": "last"}))
    assert run.samples == 160
    assert all(row["loss_Consistency"] >= 0 for row in run.history)


def test_values_are_taught_in_regression():
    scheme = apart(mlp(outputs=1), task=Regression(mean=1.0, std=2.0))
    rows = Batch(batch().inputs, torch.rand(8))
    gap = (scheme.student(rows.inputs) - scheme.teacher.model(rows.inputs)).flatten() / 2
    assert scheme(rows)["Consistency"].item() == pytest.approx(gap.square().mean().item(), rel=1e-5)


def test_identity_tells_what_a_resumed_run_must_not_change():
    known = [
        MeanTeacher(mlp()),
        MeanTeacher(mlp(), [losses.KD()]),
        MeanTeacher(mlp(), task_weight=0.5),
        MeanTeacher(mlp(), decay=0.99),
        MeanTeacher(mlp(), ramp=0.5),
        MeanTeacher(mlp(), deploy="student"),
    ]
    assert len({str(each.identity()) for each in known}) == len(known)
    assert MeanTeacher(mlp()).identity() == MeanTeacher(mlp(3)).identity()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"decay": 1.0}, "decay"),
        ({"ramp": 1.5}, "ramp"),
        ({"ramp": -0.1}, "ramp"),
        ({"deploy": "both"}, "deploys 'teacher' or 'student'"),
        ({"task_weight": -1}, "task_weight"),
        ({"terms": []}, "at least one term"),
        ({"terms": [losses.KD(), losses.KD()]}, "KD"),
    ],
)
def test_settings_out_of_range_are_refused(given, message):
    with pytest.raises(LimbeckError, match=message):
        MeanTeacher(mlp(), **given)
