"""Batches in an order that depends on the seed and the epoch alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

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


@dataclass(frozen=True)
class Step:
    """What one optimizer step learns from.

    Args:
        shares: this process's batches, several where gradients are accumulated.
        samples: number of samples over all batches and processes.
    """

    shares: list[Share]
    samples: int


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

    Raises:
        LimbeckError: there are fewer samples than processes.

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
        if len(part) < world:
            raise LimbeckError(
                f"A part of {len(part)} samples cannot be shared by {world} processes: give more data, or "
                "start fewer processes."
            )
        self.part, self.batch_size, self.seed = part, batch_size, seed
        self.accumulate, self.smallest = accumulate, smallest
        self.rank, self.world = rank, world
        self.pin = pin
        self._sampler = _Sampler()
        self._workers = self._started(workers) if workers else None

    def _started(self, workers: int) -> DataLoader[Any]:
        return DataLoader(
            _Whole(self.part.views),
            batch_sampler=self._sampler,  # type: ignore[arg-type]  # what it yields is _Whole's affair
            collate_fn=_as_it_is,
            num_workers=workers,
            persistent_workers=True,
            pin_memory=self.pin,
            # Its own generator: drawing a worker seed must not move the generator that dropout draws from.
            generator=torch.Generator(),
        )

    def steps(self, epoch: int) -> list[list[Tensor]]:
        """Return the sample indices of an epoch's steps, over all processes."""
        return steps_of_epoch(
            self.part.indices, epoch, self.seed, self.batch_size, self.accumulate, self.smallest * self.world
        )

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Step]:
        """Yield an epoch's optimizer steps, from step ``start`` on, as this process sees them."""
        steps = self.steps(epoch)[start:]
        batches = self._batches([(batch[self.rank :: self.world], epoch) for step in steps for batch in step])
        for step in steps:
            total = sum(len(batch) for batch in step)
            shares = [Share(own, len(own) * self.world / total) for own in (next(batches) for _ in step)]
            yield Step(shares, total)

    def __iter__(self) -> Iterator[Batch]:
        """Yield this process's share of the part once, in order and unaugmented, for evaluation."""
        own = self.part.indices[self.rank :: self.world]
        size = max(1, self.batch_size // self.world)
        yield from self._batches([(batch, 0) for batch in torch.split(own, size)])

    def close(self) -> None:
        """End the loading processes."""
        self._workers = None

    def _batches(self, asked: "list[_Asked]") -> Iterator[Batch]:
        if self._workers is None:
            for index, view in asked:
                batch = self.part.views.read(index, torch.full_like(index, view))
                yield batch.pin_memory() if self.pin else batch
            return
        self._sampler.asked = asked
        for batch in self._workers:
            if isinstance(batch, LimbeckError):
                raise batch
            yield batch


_Asked: TypeAlias = tuple[Tensor, int]
"""Sample indices of a batch, and the view of each."""


class _Sampler:
    """The batch sampler of a loader with workers: what is to be loaded next.

    It knows nothing of its loader: in a circle of references, workers would live until the garbage collector comes.
    """

    def __init__(self) -> None:
        self.asked: list[_Asked] = []

    def __iter__(self) -> Iterator[_Asked]:
        return iter(self.asked)

    def __len__(self) -> int:
        return len(self.asked)


class _Whole(Dataset[Any]):
    """Lets a worker read a whole batch at once."""

    def __init__(self, views: Views):
        self.views = views

    def __getitems__(self, asked: _Asked) -> Batch | LimbeckError:
        index, view = asked
        try:
            return self.views.read(index, torch.full_like(index, view))
        except LimbeckError as error:
            # Sent as a value: raised in a worker, it would arrive wrapped in the worker's traceback.
            return error

    def __getitem__(self, asked: _Asked) -> Batch | LimbeckError:
        return self.__getitems__(asked)


def _as_it_is(batch: Any) -> Any:
    return batch
