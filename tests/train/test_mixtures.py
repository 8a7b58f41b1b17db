"""Training on labelled and unlabelled samples together: counted, stopped and resumed like any other."""

import pytest
import torch

from limbeck import Frozen, Offline, Plan, Supervised, Term, fit, losses
from limbeck.data import Mixture, Repeated, Shift, TensorSource, Views
from limbeck.data.loader import Part
from limbeck.data.relabelled import Relabelled
from limbeck.train import Feed
from train.toys import Crash, crash_at, same_state, single_thread, timeless

PLAN = Plan(epochs=3, batch_size=8, lr=0.1, checkpoint_every=1, seed=3, device="cpu")


def mixed(kind="mixture", lies=False):
    """Return a feed of ten labelled and 45 unlabelled images; with ``lies``, their hidden labels are other ones."""
    pixels = torch.rand(70, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    truth = (pixels.flatten(1)[:, :3]).argmax(1)
    marks = torch.ones(70, dtype=torch.bool)
    marks[10:55] = False
    told = torch.where(marks, truth, (truth + 1) % 3) if lies else truth
    source = Relabelled(TensorSource(pixels, told), told, marks)
    every = torch.arange(70)
    views = Views(source, {"student": Shift(1), "teacher": None}, seed=PLAN.seed)
    part = Mixture(views, every[:10], every[10:55], ratio=3)
    part = part if kind == "mixture" else Repeated(views, every[:10], part)
    return Feed(part, Part(Views(source), every[55:]))


def network(seed=0, dropout=0.4):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(dropout), torch.nn.Linear(16, 3))


def scheme():
    return Offline(network(), Frozen(network(1)), [Term(losses.KD(temperature=2))], task_weight=0.5)


@pytest.mark.parametrize("kind", ["mixture", "alone"])
@pytest.mark.parametrize("step", [1, 8, 13, 23])
def test_resumed_from_any_step_equals_uninterrupted(tmp_path, kind, step):
    with single_thread():
        whole = fit(trained := scheme(), mixed(kind), PLAN)
        with pytest.raises(Crash):
            fit(scheme(), mixed(kind), PLAN, folder=tmp_path, watchers=[crash_at(step)])
        again = fit(other := scheme(), mixed(kind), PLAN, folder=tmp_path, resume=True)
    assert same_state(trained.state_dict(), other.state_dict())
    assert timeless(whole.history) == timeless(again.history)
    assert (whole.steps, whole.samples) == (again.steps, again.samples) == (24, 180)


def test_workers_change_nothing():
    runs = [fit(scheme(), mixed(), PLAN.model_copy(update={"workers": workers})) for workers in (0, 2)]
    assert same_state(runs[0].last_state, runs[1].last_state)


def test_no_training_depends_on_hidden_labels():
    for make in (scheme, lambda: Supervised(network())):
        told, lied = (fit(make(), mixed(lies=each), PLAN) for each in (False, True))
        assert same_state(told.last_state, lied.last_state)


def test_the_student_alone_takes_as_many_steps():
    alone, together = (fit(Supervised(network()), mixed(kind), PLAN) for kind in ("alone", "mixture"))
    assert (alone.steps, alone.samples) == (together.steps, together.samples)
    assert not same_state(alone.last_state, together.last_state)


def test_another_ratio_is_refused_on_resume(tmp_path):
    with pytest.raises(Crash):
        fit(scheme(), mixed(), PLAN, folder=tmp_path, watchers=[crash_at(3)])
    data = mixed()
    changed = Feed(Mixture(data.train.views, data.train.labelled, data.train.unlabelled, 1), data.validation)
    with pytest.raises(Exception, match="train data"):
        fit(scheme(), changed, PLAN, folder=tmp_path, resume=True)
