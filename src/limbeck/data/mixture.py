"""Labelled and unlabelled samples together in every batch, and the labelled ones alone in as many steps."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from limbeck.data.part import TrainingPart, about_cycle, check_cycle
from limbeck.data.reading import ORDER, Batching, Reading, in_steps
from limbeck.data.seeding import role_seed, view_seed
from limbeck.data.source import digest
from limbeck.data.views import Views
from limbeck.errors import LimbeckError


@dataclass(frozen=True)
class Mixture:
    """A training part whose every batch has labelled and unlabelled samples in a set ratio.

    Of a batch of B samples round(B / (1 + ratio)) come first and are labelled; see :func:`divided`. An epoch
    shows every sample of the longer stream once, the one that needs more batches; the shorter one is repeated and goes
    on where the epoch before left off. Each pass over a stream has an order and a view number of its own, so a sample
    that is seen five times in an epoch is seen in five draws. A last batch holds what is left of the longer stream,
    and of the other as many as keep the ratio, at least one; where it is too small for the processes or for what
    learns from it, it joins the batch before.

    Args:
        views: of a source that knows which samples are labelled.
        labelled: (N,) int64, samples with a label.
        unlabelled: (M,) int64, samples without.
        ratio: unlabelled samples for each labelled one.
        cycle: how many views of a sample there are: later passes see them again, in new orders. ``None`` draws a new
            one in every pass.
        spared: roles whose own inputs are not made, as for :class:`~limbeck.data.part.Part`.
        spared_from: the first epoch in which they are not.

    Raises:
        LimbeckError: none of one kind; a ratio that is not above 0 and finite; a cycle of less than one view.

    Example:
        >>> from limbeck.data import Views, open_data, without_labels
        >>> data = without_labels(open_data("digits"), labels=100)
        >>> mixed = Mixture(Views(data.source), data.train, data.unlabelled, ratio=3)
        >>> first = mixed.steps(0, Batching(64))[0][0]
        >>> int(data.source.labelled[first.index].sum()), len(first)
        (16, 64)
    """

    views: Views
    labelled: Tensor
    unlabelled: Tensor
    ratio: float = 1.0
    cycle: int | None = None
    spared: tuple[str, ...] = ()
    spared_from: int = 0

    def __post_init__(self) -> None:
        if not len(self.labelled) or not len(self.unlabelled):
            missing = "labelled" if not len(self.labelled) else "unlabelled"
            raise LimbeckError(
                f"Labelled and unlabelled samples cannot be mixed: there are no {missing} ones; name a folder with "
                "--unlabelled, or let some of the labels be hidden with --labels."
            )
        _check_ratio(self.ratio)
        check_cycle(self.cycle)

    @property
    def indices(self) -> Tensor:
        """All samples, the labelled first."""
        return torch.cat([self.labelled, self.unlabelled])

    def __len__(self) -> int:
        return len(self.labelled) + len(self.unlabelled)

    def fingerprint(self) -> str:
        """Return a sha256 (hex) of what is read, how it is seen and how it is mixed."""
        parts: list[str | Tensor] = [
            self.views.fingerprint(),
            self.labelled,
            self.unlabelled,
            str(float(self.ratio)),
        ]
        return digest([*parts, *about_cycle(self.cycle)])

    def steps(self, epoch: int, batching: Batching) -> list[list[Reading]]:
        """Return an epoch's optimizer steps, each a list of batches (see :class:`TrainingPart`).

        Raises:
            LimbeckError: a batch too small for the ratio or for the processes.
        """
        sizes = self._sizes(batching)
        streams = [
            passes(indices, epoch, [size[kind] for size in sizes], role_seed(batching.seed, name), self.cycle)
            for kind, (name, indices) in enumerate(
                (("labelled", self.labelled), ("unlabelled", self.unlabelled))
            )
        ]
        spared = self.spared if epoch >= self.spared_from else ()
        batches = [_joined(one, other, spared) for one, other in zip(*streams, strict=True)]
        return in_steps(batches, batching.accumulate)

    def _sizes(self, batching: Batching) -> list[tuple[int, int]]:
        """Return how many labelled and unlabelled samples each batch of an epoch has."""
        each = divided(batching.batch_size, self.ratio, batching.world)
        counts = (len(self.labelled), len(self.unlabelled))
        longer = 0 if counts[0] * each[1] > counts[1] * each[0] else 1
        whole, left = divmod(counts[longer], each[longer])
        sizes = [each] * whole
        if not left:
            return sizes
        other = max(1, round(left * each[1 - longer] / each[longer]))
        last = (left, other) if longer == 0 else (other, left)
        if sum(last) >= batching.smallest and min(last) >= batching.world:
            return [*sizes, last]
        if not sizes:
            raise LimbeckError(
                f"{counts[0]} labelled and {counts[1]} unlabelled samples mixed 1 to {self.ratio:g} make one batch "
                f"of {last[0]} and {last[1]}, too few for {_needed(batching)}: give more data."
            )
        return [*sizes[:-1], (each[0] + last[0], each[1] + last[1])]


@dataclass(frozen=True)
class Repeated:
    """Samples repeated until they fill the batches of another part: its steps, its batch sizes, these samples alone.

    A student that learns from the labelled samples of a :class:`Mixture` only is compared fairly when it takes as many
    steps, of as many samples. Each pass has an order and a view number of its own.

    Args:
        views: gives the batches.
        indices: (N,) int64, the samples.
        like: the part whose batches are filled.
        cycle: how many views of a sample there are, as for :class:`Mixture`.

    Raises:
        LimbeckError: there are no samples; a cycle of less than one view.

    Example:
        >>> from limbeck.data import Views, open_data, without_labels
        >>> data = without_labels(open_data("digits"), labels=100)
        >>> mixed = Mixture(Views(data.source), data.train, data.unlabelled, ratio=3)
        >>> alone = Repeated(Views(data.source), data.train, mixed)
        >>> len(alone.steps(0, Batching(64))) == len(mixed.steps(0, Batching(64)))
        True
    """

    views: Views
    indices: Tensor
    like: TrainingPart
    cycle: int | None = None

    def __post_init__(self) -> None:
        if not len(self.indices):
            raise LimbeckError("There are no samples to repeat: give a part that has some.")
        check_cycle(self.cycle)

    def __len__(self) -> int:
        return len(self.indices)

    def fingerprint(self) -> str:
        """Return a sha256 (hex) of what is read, how it is seen and how often."""
        parts: list[str | Tensor] = [self.views.fingerprint(), self.indices, self.like.fingerprint()]
        return digest([*parts, *about_cycle(self.cycle)])

    def steps(self, epoch: int, batching: Batching) -> list[list[Reading]]:
        """Return an epoch's optimizer steps, each a list of batches (see :class:`TrainingPart`)."""
        sizes = [len(batch) for step in self.like.steps(0, batching) for batch in step]
        batches = passes(self.indices, epoch, sizes, role_seed(batching.seed, "labelled"), self.cycle)
        return in_steps(batches, batching.accumulate)


def divided(batch_size: int, ratio: float, world: int = 1) -> tuple[int, int]:
    """Return how many labelled and how many unlabelled samples a batch has.

    Args:
        batch_size: samples in a batch over all processes together.
        ratio: unlabelled samples for each labelled one.
        world: number of processes, each of which needs both kinds.

    Raises:
        LimbeckError: a ratio that is not above 0 and finite, or a batch too small for it.

    Example:
        >>> divided(64, 7)
        (8, 56)
    """
    _check_ratio(ratio)
    share = batch_size / (1 + ratio)
    labelled = round(share) or int(share == 0.5)  # which round() calls 0
    unlabelled = batch_size - labelled
    if min(labelled, unlabelled) < world:
        few = "unlabelled" if unlabelled < labelled else "labelled"
        number = min(labelled, unlabelled)
        need = f"each of {world} processes needs one" if world > 1 else "every batch needs one"
        raise LimbeckError(
            f"A batch of {batch_size} with {ratio:g} unlabelled samples for each labelled one has "
            f"{number} {few}, but {need}: raise batch_size or bring the ratio nearer to 1."
        )
    return labelled, unlabelled


def passes(
    indices: Tensor, epoch: int, sizes: list[int], seed: int, cycle: int | None = None
) -> list[Reading]:
    """Return an epoch's batches out of an endless stream: pass after pass over ``indices``, each in its own order.

    An epoch takes up where the one before left off, so over many epochs no sample is seen more than once more often
    than another. The view of a sample is the number of the pass, counted in a cycle where there is one.

    Args:
        indices: (N,) int64, the samples.
        epoch: counts from 0.
        sizes: of the batches, the same in every epoch.
        seed: of the stream's order.
        cycle: after how many passes views come again, or ``None``.

    Example:
        >>> second = passes(torch.arange(4), epoch=1, sizes=[3, 3], seed=0)
        >>> [batch.view.tolist() for batch in second]
        [[1, 1, 2], [2, 2, 2]]
    """
    count, total = len(indices), sum(sizes)
    first, skipped = divmod(epoch * total, count)
    orders, views = [], []
    for number in range(first, first + math.ceil((skipped + total) / count)):
        generator = torch.Generator().manual_seed(view_seed(seed, ORDER, number))
        orders.append(indices[torch.randperm(count, generator=generator)])
        drawn = number if cycle is None else number % cycle
        views.append(torch.full((count,), drawn, dtype=torch.int64))
    index = torch.cat(orders)[skipped : skipped + total]
    view = torch.cat(views)[skipped : skipped + total]
    return [Reading(*pair) for pair in zip(torch.split(index, sizes), torch.split(view, sizes), strict=True)]


def _joined(one: Reading, other: Reading, spared: tuple[str, ...]) -> Reading:
    return Reading(torch.cat([one.index, other.index]), torch.cat([one.view, other.view]), spared)


def _needed(batching: Batching) -> str:
    both = f"{batching.world} processes that each need both" if batching.world > 1 else ""
    return both or f"what learns from batches of at least {batching.smallest}"


def _check_ratio(ratio: float) -> None:
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 < ratio < math.inf:
        raise LimbeckError(
            f"The ratio of unlabelled to labelled samples is a number above 0, such as 3, not {ratio!r}."
        )
