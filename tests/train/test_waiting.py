"""How long training waited for data: the time around each read, over all sittings."""

from types import SimpleNamespace

import pytest
import torch

from limbeck import Plan, Supervised, fit
from limbeck.data import TensorSource, Views
from limbeck.data.loader import Part
from limbeck.train import Feed, Stage, fit_stages, waiting
from train.toys import Crash, crash_at, mlp, problem

PLAN = Plan(epochs=4, batch_size=10, device="cpu")
READS = 5 * PLAN.epochs  # 50 samples


class Slow(TensorSource):
    """Takes a second of the clock given for each batch."""

    def __init__(self, clock, count=50):
        super().__init__(*problem(count))
        self.clock = clock

    def read_many(self, indices):
        self.clock.now += 1
        return super().read_many(indices)


class Learning(Supervised):
    """Takes seven seconds for each step."""

    def __init__(self, clock):
        super().__init__(mlp())
        self.clock = clock

    def forward(self, batch, phase="main", group=0):
        self.clock.now += 7
        return super().forward(batch, phase, group)


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the data and the scheme move."""
    found = SimpleNamespace(now=0.0)
    monkeypatch.setattr(waiting, "time", SimpleNamespace(perf_counter=lambda: found.now))
    return found


def feed(clock):
    return Feed(Part(Views(Slow(clock)), torch.arange(50)))


def test_reading_in_the_loops_own_process_is_waiting(clock):
    run = fit(Learning(clock), feed(clock), PLAN)
    assert run.waiting == READS
    assert clock.now == 8 * READS


def test_accumulated_batches_are_all_waited_for(clock):
    assert fit(Learning(clock), feed(clock), PLAN.model_copy(update={"accumulate": 2})).waiting == READS


def test_sittings_add_up(clock, tmp_path):
    with pytest.raises(Crash):
        fit(Learning(clock), feed(clock), PLAN, folder=tmp_path, watchers=[crash_at(12)])
    run = fit(Learning(clock), feed(clock), PLAN, folder=tmp_path, resume=True)
    assert run.waiting == READS  # what came after the last checkpoint is trained again, and counted once


def test_stages_add_up(clock):
    stages = [Stage(name, lambda: Learning(clock), 0.5) for name in ("first", "second")]
    assert fit_stages(stages, feed(clock), PLAN).waiting == READS


def test_workers_are_waited_for():
    clock = SimpleNamespace(now=0.0)
    run = fit(Learning(clock), feed(clock), PLAN.model_copy(update={"workers": 1}))
    assert 0 < run.waiting <= run.seconds
