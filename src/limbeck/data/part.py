"""The parts of the data as training reads them: which samples, in which views, in which order."""

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from limbeck.data.reading import ORDER, Batching, Reading, in_steps, refuse_few
from limbeck.data.seeding import view_seed
from limbeck.data.several import several_views
from limbeck.data.source import digest
from limbeck.data.views import Views
from limbeck.errors import LimbeckError

__all__ = [
    "Batching",
    "Part",
    "Reading",
    "TrainingPart",
    "about_cycle",
    "check_cycle",
    "check_several",
    "steps_of_epoch",
]


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
        views_per_decode: how many views of a sample stand in a batch together, where decoding is dear: an epoch then
            takes that share of the samples, and so many epochs take the views that they would one by one (see
            :func:`~limbeck.data.several.several_views`).

    Raises:
        LimbeckError: a cycle of less than one view, or one that the views of a batch do not divide; fewer than one
            view.

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
    views_per_decode: int = 1

    def __post_init__(self) -> None:
        check_cycle(self.cycle)
        check_several(self.views_per_decode, self.cycle)

    def __len__(self) -> int:
        return len(self.indices)

    def fingerprint(self) -> str:
        """Return a sha256 (hex) of what is read and how it is seen."""
        several = [f"{self.views_per_decode} views per decode"] if self.views_per_decode > 1 else []
        return digest([self.views.fingerprint(), self.indices, *about_cycle(self.cycle), *several])

    def steps(self, epoch: int, batching: Batching) -> list[list[Reading]]:
        """Return an epoch's optimizer steps (see :func:`steps_of_epoch`); the view is the epoch's number."""
        spared = self.spared if epoch >= self.spared_from else ()
        if self.views_per_decode > 1:
            batches = several_views(self.indices, epoch, batching, self.views_per_decode, self.cycle)
            return in_steps([replace(batch, spared=spared) for batch in batches], batching.accumulate)
        steps = steps_of_epoch(
            self.indices,
            epoch,
            batching.seed,
            batching.batch_size,
            batching.accumulate,
            batching.smallest,
        )
        view = epoch if self.cycle is None else epoch % self.cycle
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


def check_several(views: int, cycle: int | None = None) -> None:
    """Refuse a number of views in a batch that is none, or that does not divide the cycle.

    Args:
        views: of one sample in a batch.
        cycle: after how many views they come again, or ``None``.

    Raises:
        LimbeckError: it is.

    Example:
        >>> check_several(2, cycle=5)
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: 2 views per decode do not divide a cycle of 5 views: keep 4 or 6 views.
    """
    if isinstance(views, bool) or not isinstance(views, int) or views < 1:
        raise LimbeckError(f"Views per decode are a whole number of at least 1, not {views!r}.")
    if cycle is not None and cycle % views:
        lower = cycle - cycle % views
        other = f"{lower} or {lower + views}" if lower else f"{views}"
        raise LimbeckError(
            f"{views} views per decode do not divide a cycle of {cycle} views: keep {other} views."
        )


def about_cycle(cycle: int | None) -> list[str]:
    """Return what a fingerprint says of a cycle: nothing where there is none, as before there were cycles."""
    return [] if cycle is None else [f"cycle of {cycle} views"]
