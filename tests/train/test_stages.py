"""Trainings that follow one another on the same student."""

import pytest
import torch

from limbeck import Frozen, LimbeckError, Offline, Plan, Supervised, Term, losses
from limbeck.train import Stage, fit, fit_stages
from train.toys import Crash, Watch, crash_at, feed, mlp, same_state, timeless

PLAN = Plan(epochs=5, batch_size=10, lr=0.05, device="cpu")


def stages(net, seen=None, teacher=None):
    """Hints on the hidden layer, then distillation."""
    teacher = teacher if teacher is not None else mlp(1)
    hint = Term(losses.LogitRegression(), "0", "0", name="hint")

    def first():
        return Offline(net, Frozen(teacher), [hint], task_weight=None)

    def second():
        if seen is not None:
            seen.append({name: value.clone() for name, value in net.state_dict().items()})
        return Offline(net, Frozen(teacher), [Term(losses.KD())], task_weight=0.1)

    return [Stage("hints", first, 0.4), Stage("distillation", second, 0.6)]


def test_each_stage_has_its_share_and_goes_on_from_the_one_before():
    net, seen = mlp(dropout=0.2), []
    before = {name: value.clone() for name, value in net.state_dict().items()}
    run = fit_stages(stages(net, seen), feed(), PLAN)
    assert [row["stage"] for row in run.history] == ["hints"] * 2 + ["distillation"] * 3
    assert [row["epoch"] for row in run.history] == [1, 2, 3, 4, 5]
    assert [row["step"] for row in run.history] == [4, 8, 12, 16, 20]
    assert (run.steps, run.samples, run.teacher_forwards) == (20, 200, 200)
    assert not torch.equal(seen[0]["0.weight"], before["0.weight"])  # the guided layer has learnt
    assert torch.equal(seen[0]["3.weight"], before["3.weight"])  # what lies behind it waits, undecayed
    assert not torch.equal(net.state_dict()["3.weight"], before["3.weight"])


def test_one_stage_is_a_plain_training():
    net, other = mlp(), mlp()
    run = fit_stages([Stage("only", lambda: Supervised(net))], feed(), PLAN)
    plain = fit(Supervised(other), feed(), PLAN)
    assert same_state(run.last_state, plain.last_state)
    assert timeless(run.history) == timeless(plain.history)


@pytest.mark.parametrize("step", [3, 8, 9, 15])
def test_killed_in_any_stage_and_resumed_equals_never_killed(tmp_path, step):
    """Step 8 ends the first stage, step 9 begins the second."""
    plan = PLAN.model_copy(update={"checkpoint_every": 1})
    whole = fit_stages(stages(mlp(dropout=0.3)), feed(), plan)
    watch = Watch()
    count = iter(range(1, 100))

    def die(_):
        if next(count) == step:
            raise Crash

    watch.on_step = die
    with pytest.raises(Crash):
        fit_stages(stages(mlp(dropout=0.3)), feed(), plan, folder=tmp_path, watchers=[watch])
    again = fit_stages(stages(mlp(dropout=0.3)), feed(), plan, folder=tmp_path, resume=True)
    assert same_state(again.last_state, whole.last_state)
    assert same_state(again.best_state, whole.best_state)
    assert timeless(again.history) == timeless(whole.history)
    assert (again.steps, again.samples) == (whole.steps, whole.samples)


def test_a_stage_resumed_with_another_teacher_is_refused(tmp_path):
    with pytest.raises(Crash):
        fit_stages(stages(mlp()), feed(), PLAN, folder=tmp_path, watchers=[crash_at(5)])
    with pytest.raises(LimbeckError, match="cannot be resumed"):
        fit_stages(stages(mlp(), teacher=mlp(9)), feed(), PLAN, folder=tmp_path, resume=True)


def test_patience_ends_the_last_stage_only():
    plan = PLAN.model_copy(update={"patience": 1, "lr": 1e-9, "epochs": 10})
    run = fit_stages(stages(mlp()), feed(), plan)
    assert [row["stage"] for row in run.history].count("hints") == 4
    assert len(run.history) < 10


@pytest.mark.parametrize("shares", [(0.5, 0.4), (1.0, 0.0), (1.5, -0.5)])
def test_shares_must_be_parts_of_one(shares):
    two = [Stage(name, lambda: Supervised(mlp()), share) for name, share in zip("ab", shares, strict=True)]
    with pytest.raises(LimbeckError, match="sum to 1"):
        fit_stages(two, feed(), PLAN)


def test_fewer_epochs_than_stages_are_refused():
    with pytest.raises(LimbeckError, match=r"2 stages .hints and distillation. need at least 2 epochs"):
        fit_stages(stages(mlp()), feed(), PLAN.model_copy(update={"epochs": 1}))
