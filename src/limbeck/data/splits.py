"""Seeded splits that keep each class's share; the same on every machine and version."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from limbeck.errors import LimbeckError


def hold_out(indices: Tensor, labels: Tensor | None, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Split ``indices`` into those kept and a ``fraction`` held out, class by class.

    A class of two or more gives at least one sample to each side; a class of one stays in the kept part.

    Args:
        indices: (N,) int64.
        labels: (M,) class of every sample, looked up by index; ``None`` for regression: no classes.
        fraction: share held out, between 0 and 1.
        seed: decides who is held out.

    Returns:
        Kept and held-out indices, each sorted.

    Example:
        >>> kept, held = hold_out(torch.arange(10), torch.tensor([0, 1] * 5), 0.2, seed=0)
        >>> len(kept), sorted((held % 2).tolist())
        (8, [0, 1])
    """
    members = _shuffled_classes(indices, labels, seed)
    total = min(len(indices) - 1, max(1, round(len(indices) * fraction))) if len(indices) > 1 else 0
    counts = _shares([len(each) for each in members], total)
    held = torch.cat([each[:count] for each, count in zip(members, counts, strict=True)])
    kept = torch.cat([each[count:] for each, count in zip(members, counts, strict=True)])
    return kept.sort().values, held.sort().values


def subset(indices: Tensor, labels: Tensor | None, limit: int, seed: int) -> Tensor:
    """Return ``limit`` of ``indices`` that keep each class's share; all of them when there are fewer.

    Args:
        indices: (N,) int64.
        labels: (M,) class of every sample, looked up by index; ``None`` for regression.
        limit: how many to keep.
        seed: decides which.

    Raises:
        LimbeckError: ``limit`` is smaller than the number of classes, or than two.

    Example:
        >>> subset(torch.arange(100), torch.arange(100) % 2, 10, seed=0).shape
        torch.Size([10])
    """
    members = _shuffled_classes(indices, labels, seed)
    least = max(2, len(members))
    if limit < least:
        each = f"one sample of each of the {least} classes" if labels is not None else "two samples"
        raise LimbeckError(f"A limit of {limit} training samples is too small: it must leave {each}.")
    if limit >= len(indices):
        return indices
    counts = _shares([len(each) for each in members], limit, spare=0)
    return torch.cat([each[:count] for each, count in zip(members, counts, strict=True)]).sort().values


def refuse_bad_classes(
    name: str, labels: Tensor, classes: Sequence[str], least: int = 2, validation: Tensor | None = None
) -> tuple[str, ...]:
    """Refuse labels that cannot be learnt from or split.

    Args:
        name: the data as the person wrote it.
        labels: (N,) int64 classes.
        classes: their names.
        least: the fewest samples a class may have.
        validation: (M,) int64 classes of a part of its own: what only that part has, a teacher may know.

    Returns:
        A sentence about classes without a training sample, or nothing.

    Raises:
        LimbeckError: fewer than two classes, or a class with fewer than ``least`` samples.

    Example:
        >>> refuse_bad_classes("mine", torch.tensor([0, 0, 1]), ("cat", "dog"))
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: Class 'dog' of mine has 1 sample; a class needs at least 2, ...
    """
    if len(classes) < 2:
        found = f"only {classes[0]!r}" if classes else "none"
        raise LimbeckError(f"{name} must have two or more classes to tell apart, but has {found}.")
    counts = torch.bincount(labels, minlength=len(classes)).tolist()
    judged = set() if validation is None else set(validation.tolist())
    lacking = [label for label in sorted(judged) if not counts[label]]
    for label, (each, count) in enumerate(zip(classes, counts, strict=True)):
        if count < least and label not in lacking:
            samples = f"{count} sample" if count == 1 else f"{count} samples"
            raise LimbeckError(
                f"Class {each!r} of {name} has {samples}; a class needs at least {least}, "
                "so add some or remove the class."
            )
    named = ", ".join(classes[label] for label in lacking)
    return (f"The training part has no sample of {named}: only a teacher can tell of it.",) if named else ()


def _shuffled_classes(indices: Tensor, labels: Tensor | None, seed: int) -> list[Tensor]:
    """Return the indices of each class in a seeded order."""
    # RandomState's stream is frozen by numpy's compatibility promise; Generator's is not
    shuffled = indices[torch.from_numpy(np.random.RandomState(seed % 2**32).permutation(len(indices)))]
    if labels is None:
        return [shuffled]
    own = labels[shuffled]
    return [shuffled[own == each] for each in torch.unique(own)]


def _shares(sizes: Sequence[int], total: int, spare: int = 1) -> list[int]:
    """Divide ``total`` over groups by size (largest remainder), at least one each, ``spare`` left behind."""
    ideal = [size * total / max(1, sum(sizes)) for size in sizes]
    most = [max(0, size - spare) for size in sizes]
    counts = [min(top, max(min(1, top), int(want))) for want, top in zip(ideal, most, strict=True)]
    while sum(counts) < total:
        open_groups = [k for k, count in enumerate(counts) if count < most[k]]
        if not open_groups:
            break
        counts[max(open_groups, key=lambda k: (ideal[k] - counts[k], -k))] += 1
    while sum(counts) > max(total, sum(min(1, top) for top in most)):
        above_one = [k for k, count in enumerate(counts) if count > 1]
        counts[max(above_one, key=lambda k: (counts[k] - ideal[k], k))] -= 1
    return counts
