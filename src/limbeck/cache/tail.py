"""What stands for the logits that were not kept: a few numbers of a row made into a row again."""

from functools import lru_cache

import torch
from torch import Tensor


def tail_like(spread: Tensor, rise: Tensor, known: Tensor, size: int) -> Tensor:
    """Return logits of mean 0 and a wanted spread for all classes of a row that are not kept.

    Definition:
        Of the n classes that are not kept, m stand d below all the others, which share one value r. With a wanted
        standard deviation σ and a wanted rise r* of the others above the mean::

            m = n r*² / (r*² + σ²), rounded, from 1 to ⌈n / 2⌉
            r = σ √(m / (n − m)),  d = σ n / √(m (n − m))

        so that the mean is 0 and the standard deviation σ. The m are those that come first in an order of the classes
        that is drawn once and turned, row by row, by a hash of the classes that are kept.

    Args:
        spread: (N, 1) σ, at least 0.
        rise: (N, 1) r*, at least 0.
        known: (N, K) int64, the classes that are kept, each of them once; below 0 for none.
        size: number of classes C.

    Returns:
        (N, C) float32; what it holds at the known classes means nothing.

    Example:
        >>> made = tail_like(torch.ones(1, 1), torch.zeros(1, 1), torch.tensor([[0]]), 5)[0, 1:]
        >>> [round(each, 4) for each in sorted(made.tolist())]
        [-1.7321, 0.5774, 0.5774, 0.5774]
    """
    left = size - (known >= 0).sum(1, keepdim=True)
    share = rise.square() / (rise.square() + spread.square()).clamp_min_(1e-30)
    few = torch.minimum((left * share).round_().clamp_min_(1), (left + 1) // 2)
    others = (left - few).clamp_min_(1)
    above = torch.where(left > few, spread * (few / others).sqrt(), 0.0)
    below = above - torch.where(left > few, spread * left / (few * others).sqrt(), 0.0)
    return torch.where(_first(few, known, size), below, above)


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
    """Return a number from 0 to C − 1 for each row, which depends on what is kept and nothing else."""
    places = torch.arange(1, known.shape[1] + 1, device=known.device)
    return _mixed((known * (2 * places + 1)).sum(1)) % size


def _mixed(numbers: Tensor) -> Tensor:
    """Return numbers that look as if drawn at random, of 31 bits (a multiplicative hash, twice)."""
    for factor in (0x45D9F3B, 0x119DE1F3):
        numbers = (numbers + 0x9E3779B) * factor & 0x7FFFFFFF
        numbers = numbers ^ (numbers >> 15)
    return numbers
