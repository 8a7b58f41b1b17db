"""The parts of the data as training reads them: which samples, in which views, in which order."""

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from limbeck.data.seeding import view_seed
from limbeck.data.source import digest
from limbeck.data.views import Views
from limbeck.errors import LimbeckError
from limbeck.types import Batch

ORDER = -1
"""Stands for "the order itself" where :func:`view_seed` expects a sample's index."""


@dataclass(frozen=True)
class Reading:
    """One batch before it is read.

    Args:
        index: (N,) int64, the samples.
        view: (N,) int64, the augmentation draw of each.
        spared: roles whose own inputs are not made.

    Example:
        >>> Reading(torch.tensor([3, 1, 2]), torch.zeros(3, dtype=torch.int64)).share(0, 2).index
        tensor([3, 2])
    """

    index: Tensor
    view: Tensor
    spared: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.index)

    def share(self, rank: int, world: int) -> "Reading":
        """Return what process ``rank`` of ``world`` reads of it."""
        return replace(self, index=self.index[rank::world], view=self.view[rank::world])

    def of(self, views: Views) -> Batch:
        """Return the batch, read."""
        return views.read(self.index, self.view, self.spared)


@dataclass(frozen=True)
class Batching:
    """How a training cuts a part into batches.

    Args:
        batch_size: samples in a batch over all processes together.
        seed: of the run; decides the order.
        accumulate: batches in an optimizer step.
        smallest: fewest samples a batch may have, over all processes together.
        world: number of processes.

    Example:
        >>> Batching(64).accumulate
        1
    """

    batch_size: int
    seed: int = 0
    accumulate: int = 1
    smallest: int = 1
    world: int = 1


class TrainingPart(Protocol):
    """What a training reads, epoch by epoch."""

    @property
    def views(self) -> Views:
        """Gives the batch for samples and views."""

    @property
    def indices(self) -> Tensor:
        """(N,) int64, all samples of this part."""

    def __len__(self) -> int: ...

    def fingerprint(self) -> str:
        """Return a sha256 (hex) of what is read and how it is seen."""

    def steps(self, epoch: int, batching: Batching) -> list[list[Reading]]:
        """Return an epoch's optimizer steps, each a list of batches, of sizes that are the same in every epoch.

        Nothing but the arguments decides them, so they can be made again on resume, in another process or with
        another number of workers.
        """


@dataclass(frozen=True)
class Part:
    """One part of the data, training or validation or test, as a loader reads it: each sample once an epoch.

    Args:
        views: gives the batch for a list of (sample index, view) pairs.
        indices: (N,) int64, the samples of this part.
        cycle: how many views of a sample there are: later epochs see them again, in new orders. ``None`` draws a new
            one in every epoch.
        spared: roles whose own inputs are not made, a teacher's whose answers are kept, say. It changes nothing that
            the others read, so the fingerprint stays.
        spared_from: the first epoch in which they are not.

    Raises:
        LimbeckError: a cycle of less than one view.

    Example:
        >>> from limbeck.data import open_data
        >>> from limbeck.data.views import Views
        >>> data = open_data("digits")
        >>> part = Part(Views.plain(data), data.test, cycle=4)
        >>> part.steps(6, Batching(64))[0][0].view[:3].tolist()
        [2, 2, 2]
    """

    views: Views
    indices: Tensor
    cycle: int | None = None
    spared: tuple[str, ...] = ()
    spared_from: int = 0

    def __post_init__(self) -> None:
        check_cycle(self.cycle)

    def __len__(self) -> int:
        return len(self.indices)

    def fingerprint(self) -> str:
        """Return a sha256 (hex) of what is read and how it is seen."""
        return digest([self.views.fingerprint(), self.indices, *about_cycle(self.cycle)])

    def steps(self, epoch: int, batching: Batching) -> list[list[Reading]]:
        """Return an epoch's optimizer steps (see :func:`steps_of_epoch`); the view is the epoch's number."""
        steps = steps_of_epoch(
            self.indices,
            epoch,
            batching.seed,
            batching.batch_size,
            batching.accumulate,
            batching.smallest,
        )
        view = epoch if self.cycle is None else epoch % self.cycle
        spared = self.spared if epoch >= self.spared_from else ()
        return [[Reading(batch, torch.full_like(batch, view), spared) for batch in step] for step in steps]


def steps_of_epoch(
    indices: Tensor, epoch: int, seed: int, batch_size: int, accumulate: int = 1, smallest: int = 1
) -> list[list[Tensor]]:
    """Return an epoch's optimizer steps, each a list of batches of sample indices.

    Nothing but the arguments decides the order, so it can be made again on resume, in another process or with
    another number of workers. A last batch of fewer than ``smallest`` samples joins the batch before it.

    Args:
        indices: (N,) int64, the samples.
        epoch: counts from 0.
        seed: of the run.
        batch_size: samples in a batch over all processes together.
        accumulate: batches in an optimizer step.
        smallest: fewest samples a batch may have.

    Raises:
        LimbeckError: there are fewer samples than the smallest batch.

    Example:
        >>> steps = steps_of_epoch(torch.arange(5), epoch=0, seed=0, batch_size=2, smallest=2)
        >>> [[len(batch) for batch in step] for step in steps]
        [[2], [3]]
    """
    refuse_few(len(indices), smallest)
    generator = torch.Generator().manual_seed(view_seed(seed, ORDER, epoch))
    order = indices[torch.randperm(len(indices), generator=generator)]
    batches = list(torch.split(order, batch_size))
    if len(batches) > 1 and len(batches[-1]) < smallest:
        tail = batches.pop()
        batches[-1] = torch.cat([batches[-1], tail])
    return [batches[first : first + accumulate] for first in range(0, len(batches), accumulate)]


def refuse_few(samples: int, smallest: int) -> None:
    """Refuse an epoch of fewer samples than the smallest batch.

    Raises:
        LimbeckError: there are fewer.
    """
    if samples < max(1, smallest):
        raise LimbeckError(
            f"Training needs batches of at least {max(1, smallest)} samples, but there are only {samples}: "
            "give more data."
        )


def check_cycle(cycle: int | None) -> None:
    """Refuse a cycle that is not a whole number of views, at least one.

    Raises:
        LimbeckError: it is not.
    """
    if cycle is not None and (isinstance(cycle, bool) or not isinstance(cycle, int) or cycle < 1):
        raise LimbeckError(
            f"A cycle of views is a whole number of at least 1, not {cycle!r}: give None to draw a new view in every "
            "epoch."
        )


def about_cycle(cycle: int | None) -> list[str]:
    """Return what a fingerprint says of a cycle: nothing where there is none, as before there were cycles."""
    return [] if cycle is None else [f"cycle of {cycle} views"]
