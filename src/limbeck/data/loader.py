"""Batches in an order that depends on the seed and the epoch alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from limbeck.data.seeding import view_seed
from limbeck.data.source import digest
from limbeck.data.views import Views
from limbeck.errors import LimbeckError
from limbeck.types import Batch

ORDER = -1
"""Stands for "the order itself" where :func:`view_seed` expects a sample's index."""


@dataclass(frozen=True)
class Part:
    """One part of the data, training or validation or test, as a loader reads it.

    Args:
        views: gives the batch for a list of (sample index, view) pairs.
        indices: (N,) int64, the samples of this part.

    Example:
        >>> from limbeck.data import open_data
        >>> from limbeck.data.views import Views
        >>> data = open_data("digits")
        >>> len(Part(Views.plain(data), data.test)) == len(data.test)
        True
    """

    views: Views
    indices: Tensor

    def __len__(self) -> int:
        return len(self.indices)

    def fingerprint(self) -> str:
        """Return a sha256 (hex) of what is read and how it is seen."""
        return digest([self.views.fingerprint(), self.indices])


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
    if len(indices) < max(1, smallest):
        raise LimbeckError(
            f"Training needs batches of at least {max(1, smallest)} samples, but there are only {len(indices)}: "
            "give more data."
        )
    generator = torch.Generator().manual_seed(view_seed(seed, ORDER, epoch))
    order = indices[torch.randperm(len(indices), generator=generator)]
    batches = list(torch.split(order, batch_size))
    if len(batches) > 1 and len(batches[-1]) < smallest:
        tail = batches.pop()
        batches[-1] = torch.cat([batches[-1], tail])
    return [batches[first : first + accumulate] for first in range(0, len(batches), accumulate)]


class _Keys:
    """The batch sampler: lists of (index, view) pairs that this process is to load next."""

    def __init__(self) -> None:
        self.batches: Sequence[tuple[Tensor, int]] = ()

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for batch, view in self.batches:
            yield [(index, view) for index in batch.tolist()]

    def __len__(self) -> int:
        return len(self.batches)


@dataclass(frozen=True)
class Share:
    """One batch as this process sees it.

    Args:
        batch: this process's samples.
        weight: what the mean loss over them counts in the optimizer step, so that processes and accumulated
            batches of different sizes add up to the mean over all the step's samples.
    """

    batch: Batch
    weight: float


class Loader:
    """Loads a part, step by step for training or batch by batch for evaluation.

    Args:
        part: the samples and how to read them.
        batch_size: samples in a batch over all processes together.
        seed: of the run; decides the order of training batches.
        accumulate: batches in an optimizer step.
        smallest: fewest samples a batch may have in each process.
        workers: loading processes; 0 loads in this one. The batches are the same either way.
        rank: this process among ``world``.
        world: number of training processes.
        pin: put batches in page-locked memory, for an accelerator.

    Example:
        >>> from limbeck.data import open_data
        >>> from limbeck.data.views import Views
        >>> data = open_data("digits")
        >>> loader = Loader(Part(Views.plain(data), data.train), batch_size=64)
        >>> sum(len(batch) for batch in loader) == len(data.train)
        True
    """

    def __init__(
        self,
        part: Part,
        batch_size: int,
        *,
        seed: int = 0,
        accumulate: int = 1,
        smallest: int = 1,
        workers: int = 0,
        rank: int = 0,
        world: int = 1,
        pin: bool = False,
    ):
        self.part, self.batch_size, self.seed = part, batch_size, seed
        self.accumulate, self.smallest = accumulate, smallest
        self.rank, self.world = rank, world
        self._keys = _Keys()
        self._loader = DataLoader(
            _Whole(part.views),
            batch_sampler=self._keys,
            collate_fn=_as_it_is,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=pin,
            # Its own generator: drawing a worker seed must not move the generator that dropout draws from.
            generator=torch.Generator(),
        )

    def steps(self, epoch: int) -> list[list[Tensor]]:
        """Return the sample indices of an epoch's steps, over all processes."""
        return steps_of_epoch(
            self.part.indices, epoch, self.seed, self.batch_size, self.accumulate, self.smallest * self.world
        )

    def epoch(self, epoch: int, start: int = 0) -> Iterator[list[Share]]:
        """Yield an epoch's optimizer steps from step ``start`` on, each the shares of this process."""
        steps = self.steps(epoch)[start:]
        self._keys.batches = [(batch[self.rank :: self.world], epoch) for step in steps for batch in step]
        batches = self._batches()
        for step in steps:
            total = sum(len(batch) for batch in step)
            yield [Share(own, len(own) * self.world / total) for own in (next(batches) for _ in step)]

    def __iter__(self) -> Iterator[Batch]:
        """Yield this process's share of the part once, in order and unaugmented, for evaluation."""
        if len(self.part) < self.world:
            raise LimbeckError(
                f"A part of {len(self.part)} samples cannot be shared by {self.world} processes: give more data, or "
                "start fewer processes."
            )
        own = self.part.indices[self.rank :: self.world]
        self._keys.batches = [(batch, 0) for batch in torch.split(own, max(1, self.batch_size // self.world))]
        yield from self._batches()

    def _batches(self) -> Iterator[Batch]:
        for batch in self._loader:
            if isinstance(batch, LimbeckError):
                raise batch
            yield batch


class _Whole(Dataset[Any]):
    """Lets a DataLoader ask for a whole batch at once."""

    def __init__(self, views: Views):
        self.views = views

    def __getitems__(self, keys: list[tuple[int, int]]) -> Batch | LimbeckError:
        try:
            return self.views.__getitems__(keys)
        except LimbeckError as error:
            # Sent as a value: raised in a worker, it would arrive wrapped in the worker's traceback.
            return error

    def __getitem__(self, key: tuple[int, int]) -> Batch | LimbeckError:
        return self.__getitems__([key])


def _as_it_is(batch: Any) -> Any:
    return batch
