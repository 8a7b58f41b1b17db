"""Batches in an order that depends on the seed and the epoch alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from limbeck.data.part import Batching, Part, Reading, TrainingPart, steps_of_epoch
from limbeck.data.views import Views
from limbeck.errors import LimbeckError
from limbeck.types import Batch

__all__ = ["Loader", "Part", "Share", "Step", "steps_of_epoch"]


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
        part: TrainingPart,
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
        self.part, self.batch_size = part, batch_size
        self.batching = Batching(batch_size, seed, accumulate, smallest * world, world)
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

    def steps(self, epoch: int) -> list[list[Reading]]:
        """Return what an epoch's steps read, over all processes."""
        return self.part.steps(epoch, self.batching)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Step]:
        """Yield an epoch's optimizer steps, from step ``start`` on, as this process sees them."""
        steps = self.steps(epoch)[start:]
        batches = self._batches([batch.share(self.rank, self.world) for step in steps for batch in step])
        for step in steps:
            total = sum(len(batch) for batch in step)
            shares = [Share(own, len(own) * self.world / total) for own in (next(batches) for _ in step)]
            yield Step(shares, total)

    def __iter__(self) -> Iterator[Batch]:
        """Yield this process's share of the part once, in order and unaugmented, for evaluation."""
        own = self.part.indices[self.rank :: self.world]
        size = max(1, self.batch_size // self.world)
        yield from self._batches([Reading(each, torch.zeros_like(each)) for each in torch.split(own, size)])

    @property
    def most(self) -> int:
        """Largest number of batches that a process evaluates: the first's."""
        return -(-len(self.part.indices[:: self.world]) // max(1, self.batch_size // self.world))

    def close(self) -> None:
        """End the loading processes."""
        self._workers = None

    def _batches(self, asked: list[Reading]) -> Iterator[Batch]:
        if self._workers is None:
            for each in asked:
                batch = each.of(self.part.views)
                yield batch.pin_memory() if self.pin else batch
            return
        self._sampler.asked = asked
        for batch in self._workers:
            if isinstance(batch, LimbeckError):
                raise batch
            yield batch


class _Sampler:
    """The batch sampler of a loader with workers: what is to be loaded next.

    It knows nothing of its loader: in a circle of references, workers would live until the garbage collector comes.
    """

    def __init__(self) -> None:
        self.asked: list[Reading] = []

    def __iter__(self) -> Iterator[Reading]:
        return iter(self.asked)

    def __len__(self) -> int:
        return len(self.asked)


class _Whole(Dataset[Any]):
    """Lets a worker read a whole batch at once."""

    def __init__(self, views: Views):
        self.views = views

    def __getitems__(self, asked: Reading) -> Batch | LimbeckError:
        try:
            return asked.of(self.views)
        except LimbeckError as error:
            # Sent as a value: raised in a worker, it would arrive wrapped in the worker's traceback.
            return error

    def __getitem__(self, asked: Reading) -> Batch | LimbeckError:
        return self.__getitems__(asked)


def _as_it_is(batch: Any) -> Any:
    return batch
