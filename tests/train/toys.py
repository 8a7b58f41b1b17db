"""Small problems, networks and watchers that the tests of training and of the system share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from limbeck.data import TensorSource, Views
from limbeck.data.loader import Part
from limbeck.train import Feed


def problem(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return ``count`` points in four dimensions and which of three classes they are in."""
    x = torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))
    return x, x[:, :3].argmax(1)


def feed(train: int = 40, validation: int | None = 15, seed: int = 0, augment: Any = None) -> Feed:
    """Return a feed of that many samples, of one source."""
    x, y = problem(train + (validation or 0), seed)
    source = TensorSource(x, y)
    learn = Part(Views(source, augment), torch.arange(train))
    if validation is None:
        return Feed(learn)
    return Feed(learn, Part(Views(source), torch.arange(train, train + validation)))


def mlp(
    seed: int = 0, width: int = 8, outputs: int = 3, dropout: float = 0.0, norm: bool = False
) -> nn.Module:
    """Return a network with one hidden layer, the same for the same arguments."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers: list[nn.Module] = [nn.Linear(4, width)]
        if norm:
            layers.append(nn.BatchNorm1d(width))
        layers.append(nn.ReLU())
        if dropout:
            layers.append(nn.Dropout(dropout))
        return nn.Sequential(*layers, nn.Linear(width, outputs))


class Watch:
    """A watcher that calls what it is given, and remembers what it was told."""

    def __init__(
        self, stepped: Callable[[int], None] | None = None, evaluated: Callable[[], None] | None = None
    ):
        self.on_step, self.on_epoch = stepped, evaluated
        self.parts: list[dict[str, float]] = []
        self.rows: list[dict[str, Any]] = []

    def started(self, label: str, epochs: int, steps_per_epoch: int, progress: Any) -> None:
        self.start = progress.step

    def stepped(self, progress: Any, parts: dict[str, float], samples: int) -> None:
        self.parts.append(dict(parts))
        if self.on_step:
            self.on_step(progress.step)

    def evaluated(self, progress: Any, row: dict[str, Any]) -> None:
        self.rows.append(row)
        if self.on_epoch:
            self.on_epoch()

    def finished(self, label: str) -> None:
        self.done = label


class Crash(Exception):
    """Stands for the power going off."""


def crash_at(step: int) -> Watch:
    """Return a watcher that lets training die after ``step`` optimizer steps."""

    def look(now: int) -> None:
        if now == step:
            raise Crash

    return Watch(look)


def timeless(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a history without the seconds, which no two runs share."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


def same_state(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Return whether two states are equal to the bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@contextmanager
def single_thread() -> Iterator[None]:
    """Compute with one thread, so that sums are added in one order in every process."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
