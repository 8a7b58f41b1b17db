"""The logits that are not kept: what is noted of them, and what stands for them when a record is read."""

from functools import lru_cache

import torch
from torch import Tensor

RISE = 1 / 8
"""The rise of a normal tail's mass at T = 4 above its mean, in units of its variance: σ² / 2T."""


def statistics(logits: Tensor, top: Tensor, index: Tensor, label: Tensor) -> Tensor:
    """Return how far the tail's mean and the label are below the k-th logit, and the tail's standard deviation.

    Args:
        logits: (N, C).
        top: (N, k) the largest of each row, falling.
        index: (N, k) their classes.
        label: (N,) the class of another logit that is kept apart and does not count to the tail, below 0 for none.

    Returns:
        (N, 3): mean, standard deviation (of the C − k or C − k − 1 classes of the tail), label; 0 where there is none.

    Example:
        >>> logits = torch.tensor([[5.0, 4.0, 3.0, 1.0]])
        >>> statistics(logits, logits[:, :2], torch.tensor([[0, 1]]), torch.tensor([-1])).tolist()
        [[2.0, 1.0, 0.0]]
    """
    last, place, apart = top[:, -1:], label.clamp_min(0)[:, None], (label >= 0)[:, None]
    below = (last - logits).scatter_(1, index, 0.0)
    label_gap = torch.where(apart, below.gather(1, place), 0.0)
    count = (logits.shape[1] - index.shape[1] - apart.float()).clamp_min_(1.0)
    mean = (below.sum(1, keepdim=True) - label_gap) / count
    away = below.sub_(mean).scatter_(1, index, 0.0)
    away.scatter_(1, place, torch.where(apart, 0.0, away.gather(1, place)))
    deviation = torch.linalg.vector_norm(away, dim=1, keepdim=True) / count.sqrt()
    return torch.cat([mean, deviation, label_gap], 1)


def two_levels(deviation: Tensor, known: Tensor, size: int) -> Tensor:
    """Return logits of mean 0 and a given spread for the classes of a row of which nothing else is known.

    Definition:
        Of the n classes that are not kept, m stand below all the others, which share one value: with the standard
        deviation σ and the wanted rise r = σ² / 8 of the many above the mean::

            m = n r² / (r² + σ²), rounded, from 1 to ⌈n / 2⌉
            many = σ √(m / (n − m)),  few = many − σ n / √(m (n − m))

        so that the mean is 0 and the standard deviation σ, with nearly all probabilities the same. The few are those
        that come first in an order of the classes, drawn once and turned, row by row, by a hash of the classes kept.

    Args:
        deviation: (N, 1) σ, at least 0.
        known: (N, K) int64, the classes that are kept, each of them once; below 0 for none.
        size: number of classes C.

    Returns:
        (N, C) float32; what it holds at the known classes means nothing.

    Example:
        >>> made = two_levels(torch.ones(1, 1), torch.tensor([[0]]), 5)[0, 1:]
        >>> [round(each, 4) for each in sorted(made.tolist())]
        [-1.7321, 0.5774, 0.5774, 0.5774]
    """
    left = size - (known >= 0).sum(1, keepdim=True)
    ratio = (RISE * deviation).square()  # r² / σ²
    few = torch.minimum((left * (ratio / (1 + ratio))).round_().clamp_min_(1), (left + 1) // 2)
    others = (left - few).clamp_min_(1)
    many = torch.where(left > few, deviation * (few / others).sqrt(), 0.0)
    below = many - torch.where(left > few, deviation * left / (few * others).sqrt(), 0.0)
    return torch.where(_first(few, known, size), below, many)


def _first(few: Tensor, known: Tensor, size: int) -> Tensor:
    """Return (N, C) bool: the first few of the classes that are not known, in each row's order."""
    ranks = _order(size, known.device).unfold(0, size, 1)[_hashed(known, size)]
    taken = ranks.gather(1, known.clamp_min(0)).long()
    taken = torch.where(known < 0, 2 * size, taken).sort(1).values
    before = taken - torch.arange(
        known.shape[1], device=known.device
    )  # unknown classes in front of each known one
    end = few + (before < few).sum(1, keepdim=True)
    return ranks < end


@lru_cache
def _order(size: int, device: torch.device) -> Tensor:
    """Return a fixed order of the classes, twice over, as their ranks; the same on every machine and for ever."""
    ranks = torch.empty(size, dtype=torch.int32)
    ranks[torch.argsort(_mixed(torch.arange(size)), stable=True)] = torch.arange(size, dtype=torch.int32)
    return torch.cat([ranks, ranks]).to(device)


def _hashed(known: Tensor, size: int) -> Tensor:
    """Return a number from 0 to C − 1 for each row, which depends on the classes that are kept and nothing else."""
    places = torch.arange(1, known.shape[1] + 1, device=known.device)
    return _mixed(((known + 1) * (2 * places + 1)).sum(1)) % size


def _mixed(numbers: Tensor) -> Tensor:
    """Return numbers that look as if drawn at random, of 31 bits (a multiplicative hash, twice)."""
    for factor in (0x45D9F3B, 0x119DE1F3):
        numbers = (numbers + 0x9E3779B) * factor & 0x7FFFFFFF
        numbers = numbers ^ (numbers >> 15)
    return numbers
