"""One batch before it is read, and how a training cuts its parts into batches."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

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
        together: whether neighbours of one index, views of one sample, stay in one process, to be decoded there once.

    Example:
        >>> Reading(torch.tensor([3, 1, 2]), torch.zeros(3, dtype=torch.int64)).share(0, 2).index
        tensor([3, 2])
    """

    index: Tensor
    view: Tensor
    spared: tuple[str, ...] = ()
    together: bool = False

    def __len__(self) -> int:
        return len(self.index)

    def share(self, rank: int, world: int) -> "Reading":
        """Return what process ``rank`` of ``world`` reads of it."""
        if not self.together:
            return replace(self, index=self.index[rank::world], view=self.view[rank::world])
        sample = torch.zeros_like(self.index)
        sample[1:] = (self.index[1:] != self.index[:-1]).cumsum(0)
        own = sample % world == rank
        return replace(self, index=self.index[own], view=self.view[own])

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


def in_steps(batches: list[Reading], accumulate: int) -> list[list[Reading]]:
    """Return batches as optimizer steps of so many each."""
    return [batches[first : first + accumulate] for first in range(0, len(batches), accumulate)]
