"""Stopped and resumed equals never stopped, to the bit."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from limbeck import Frozen, LimbeckError, Offline, Plan, Supervised, Term, fit, losses
from limbeck.data.loader import Part
from limbeck.train import Feed
from limbeck.train.checkpoint import read_checkpoint
from limbeck.train.interrupt import Interrupted
from train import resumable
from train.toys import Crash, Watch, crash_at, feed, mlp, same_state, single_thread, timeless

SCRIPT = Path(resumable.__file__)


@pytest.fixture(scope="module")
def uninterrupted():
    with single_thread():
        found = resumable.train(None, None)
    assert found["steps"] == resumable.STEPS
    assert not same_state(found["best"], found["last"])  # else a best checkpoint that is lost would not show
    return found


def equal(one, other):
    """Return the names of what differs between two results."""
    differ = [name for name in ("best_score", "history", "steps", "samples") if one[name] != other[name]]
    return differ + [name for name in ("scheme", "last", "best") if not same_state(one[name], other[name])]


def process(folder, out, *given):
    command = [sys.executable, SCRIPT, folder, out, *given]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [str(each) for each in command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_killed_at_random_steps_and_interrupted(tmp_path, uninterrupted):
    seed = random.SystemRandom().randrange(10**6)
    draw = random.Random(seed)
    steps = sorted(draw.sample(range(2, resumable.STEPS), 3))
    folder, out = tmp_path / "run", tmp_path / "found.pt"
    for step, number in zip(steps, (signal.SIGKILL, signal.SIGKILL, signal.SIGINT), strict=True):
        child = process(folder, out, step, int(number))
        _, error = child.communicate(timeout=120)
        if number == signal.SIGKILL:
            assert child.returncode == -signal.SIGKILL, error.decode()
        else:
            assert child.returncode != 0
            assert b"Interrupted" in error, error.decode()
            assert read_checkpoint(folder / "last.pt")["step"] == step
        assert not out.exists()
    child = process(folder, out)
    _, error = child.communicate(timeout=120)
    assert child.returncode == 0, error.decode()
    found = torch.load(out, weights_only=True)
    assert equal(found, uninterrupted) == [], f"seed {seed}, stopped at {steps}"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_many_times_at_any_moment(tmp_path, uninterrupted, seed):
    """The moment is not chosen between two steps here: a checkpoint may be half written, or an epoch half judged."""
    draw = random.Random(seed)
    folder, out = tmp_path / "run", tmp_path / "found.pt"
    for _ in range(5):
        child = process(folder, out)
        for _ in range(draw.randint(1, 4)):
            child.stdout.readline()  # one step more
        time.sleep(draw.uniform(0.0, 0.005))
        child.kill()
        assert child.wait(timeout=120) == -signal.SIGKILL
    child = process(folder, out)
    _, error = child.communicate(timeout=120)
    assert child.returncode == 0, error.decode()
    assert equal(torch.load(out, weights_only=True), uninterrupted) == []


@pytest.mark.parametrize("step", range(1, resumable.STEPS + 1, 3))
def test_interrupted_after_any_step(tmp_path, uninterrupted, step):
    with single_thread():
        with pytest.raises(Interrupted):
            resumable.train(tmp_path, None, step, signal.SIGINT)
        assert read_checkpoint(tmp_path / "last.pt")["step"] == step
        assert equal(resumable.train(tmp_path, None), uninterrupted) == []


@pytest.mark.parametrize("step", range(1, resumable.STEPS + 1, 2))
def test_dies_after_any_step(tmp_path, uninterrupted, step, monkeypatch):
    def die(process, number):
        raise Crash

    monkeypatch.setattr(resumable.os, "kill", die)
    with single_thread():
        with pytest.raises(Crash):
            resumable.train(tmp_path, None, step)
        assert equal(resumable.train(tmp_path, None), uninterrupted) == []


def test_dies_between_judging_an_epoch_and_saving_it(tmp_path):
    """The best weights are written, the checkpoint that knows of them is not."""
    plan = Plan(epochs=6, batch_size=10, lr=0.1, device="cpu")
    whole = fit(Supervised(mlp(dropout=0.3)), feed(), plan)
    for epoch in range(1, 7):
        watch, folder = Watch(), tmp_path / str(epoch)

        def die(watch=watch, epoch=epoch):
            if len(watch.rows) == epoch:
                raise Crash

        watch.on_epoch = die
        with pytest.raises(Crash):
            fit(Supervised(mlp(dropout=0.3)), feed(), plan, folder=folder, watchers=[watch])
        run = fit(Supervised(mlp(dropout=0.3)), feed(), plan, folder=folder, resume=True)
        assert same_state(run.best_state, whole.best_state)
        assert timeless(run.history) == timeless(whole.history)


def test_finished_run_is_resumed_to_the_same_result_without_a_step(tmp_path):
    plan = Plan(epochs=3, batch_size=10, lr=0.1, device="cpu")
    first = fit(Supervised(mlp()), feed(), plan, folder=tmp_path)
    watch = Watch()
    again = fit(Supervised(mlp(seed=5)), feed(), plan, folder=tmp_path, resume=True, watchers=[watch])
    assert watch.parts == []
    assert same_state(again.best_state, first.best_state)
    assert same_state(again.last_state, first.last_state)
    assert again.history == first.history
    assert (again.steps, again.samples, again.best_score) == (first.steps, first.samples, first.best_score)


def test_patience_is_remembered(tmp_path):
    net = mlp().requires_grad_(False)
    net[2].bias.requires_grad_(True)
    plan = Plan(epochs=20, batch_size=10, lr=1e-9, patience=3, device="cpu")
    with pytest.raises(Crash):
        fit(Supervised(net), feed(), plan, folder=tmp_path, watchers=[crash_at(9)])
    run = fit(Supervised(net), feed(), plan, folder=tmp_path, resume=True)
    assert run.history[-1]["epoch"] == 4


def test_resume_of_nothing_starts_at_the_beginning(tmp_path):
    plan = Plan(epochs=1, batch_size=10, device="cpu")
    assert fit(Supervised(mlp()), feed(), plan, folder=tmp_path / "new", resume=True).steps == 4


def test_seconds_add_up_over_sittings(tmp_path):
    plan = Plan(epochs=2, batch_size=10, checkpoint_every=1, device="cpu")
    slow = Watch(stepped=lambda step: time.sleep(0.3) if step == 2 else None)
    with pytest.raises(Crash):
        fit(Supervised(mlp()), feed(), plan, folder=tmp_path, watchers=[slow, crash_at(3)])
    run = fit(Supervised(mlp()), feed(), plan, folder=tmp_path, resume=True)
    assert run.seconds > 0.3
    assert run.samples == 80


def taught(temperature=4.0, weight=1.0, task_weight=1.0, width=8, teacher=1, loss=None):
    term = Term(loss or losses.KD(temperature=temperature), weight=weight)
    return Offline(mlp(width=width), Frozen(mlp(teacher)), [term], task_weight=task_weight)


def other_samples():
    data = feed()
    return Feed(Part(data.train.views, torch.arange(1, 41)), data.validation)


def other_validation():
    data = feed()
    return Feed(data.train, Part(data.validation.views, torch.arange(40, 54)))


PLAN = Plan(epochs=3, batch_size=10, checkpoint_every=1, device="cpu")


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"plan": {"lr": 0.5}}, r"lr.*0\.001.*0\.5"),
        ({"plan": {"epochs": 4}}, r"epochs.*3.*4"),
        ({"plan": {"batch_size": 20}}, r"batch_size.*10.*20"),
        ({"plan": {"seed": 1}}, r"seed.*0.*1"),
        ({"plan": {"ema": 0.9, "precision": "bf16"}}, r"ema.*precision"),
        ({"scheme": taught(temperature=2.0)}, r"4.*2"),
        ({"scheme": taught(weight=0.25)}, r"0\.25"),
        ({"scheme": taught(task_weight=0.25)}, r"0\.25"),
        ({"scheme": taught(loss=losses.LogitRegression())}, r"KD.*LogitRegression"),
        ({"scheme": taught(teacher=2)}, r"teacher"),
        ({"scheme": Supervised(mlp())}, r"Offline.*Supervised"),
        ({"scheme": taught(width=9)}, r"8.*9|student|shape|fit"),
        ({"data": feed(seed=1)}, r"data|train"),
        ({"data": other_samples()}, r"data|train|sample"),
        ({"data": other_validation()}, r"validation|data"),
        ({"data": feed(validation=None)}, r"validation|data"),
    ],
    ids=[
        "lr",
        "epochs",
        "batch_size",
        "seed",
        "ema",
        "temperature",
        "weight",
        "task_weight",
        "loss",
        "teacher",
        "scheme",
        "width",
        "data",
        "samples",
        "validation",
        "no_validation",
    ],
)
def test_changed_settings_are_refused_and_named(tmp_path, changed, named):
    with pytest.raises(Crash):
        fit(taught(), feed(), PLAN, folder=tmp_path, watchers=[crash_at(6)])
    before = (tmp_path / "last.pt").read_bytes()
    plan = PLAN.model_copy(update=changed.get("plan", {}))
    with pytest.raises(LimbeckError, match=named):
        fit(
            changed.get("scheme") or taught(),
            changed.get("data") or feed(),
            plan,
            folder=tmp_path,
            resume=True,
        )
    assert (tmp_path / "last.pt").read_bytes() == before


@pytest.mark.parametrize("setting", [{"workers": 1}, {"checkpoint_every": 5}, {"device": "auto"}])
def test_circumstances_may_change(tmp_path, setting):
    whole = fit(taught(), feed(), PLAN)
    with pytest.raises(Crash):
        fit(taught(), feed(), PLAN, folder=tmp_path, watchers=[crash_at(6)])
    run = fit(taught(), feed(), PLAN.model_copy(update=setting), folder=tmp_path, resume=True)
    if not torch.accelerator.is_available():
        assert same_state(run.last_state, whole.last_state)


def test_lost_best_weights_are_named(tmp_path):
    with pytest.raises(Crash):
        fit(taught(), feed(), PLAN, folder=tmp_path, watchers=[crash_at(6)])
    (tmp_path / "best.pt").unlink()
    with pytest.raises(LimbeckError, match=r"best\.pt"):
        fit(taught(), feed(), PLAN, folder=tmp_path, resume=True)


def test_frozen_teacher_is_not_in_the_checkpoint(tmp_path):
    scheme = Offline(mlp(width=2), Frozen(mlp(1, width=500)), [Term(losses.KD())])
    fit(scheme, feed(), PLAN, folder=tmp_path)
    saved = read_checkpoint(tmp_path / "last.pt")
    assert sorted(saved["scheme"]) == sorted(scheme.state_dict())
    assert all(500 not in value.shape for value in saved["scheme"].values())
    assert (tmp_path / "last.pt").stat().st_size < 40_000


def test_handlers_of_signals_are_put_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    fit(Supervised(nn.Linear(4, 3)), feed(), Plan(epochs=1, device="cpu"))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_checkpoint_of_another_version_is_refused_in_a_sentence(tmp_path):
    plan = Plan(epochs=1, batch_size=10, device="cpu")
    fit(Supervised(mlp()), feed(), plan, folder=tmp_path)
    saved = read_checkpoint(tmp_path / "last.pt")
    del saved["version"]
    torch.save(saved, tmp_path / "last.pt")
    with pytest.raises(
        LimbeckError, match=r"another version of limbeck: delete it to train that part again\.$"
    ):
        fit(Supervised(mlp()), feed(), plan, folder=tmp_path, resume=True)
