"""Private data dealt out to many teachers, each record to one of them."""

from collections import Counter

import numpy as np
import torch
from torch import Tensor

from limbeck.checks import whole
from limbeck.errors import LimbeckError


def shards(indices: Tensor, targets: Tensor | None, count: int, seed: int) -> list[Tensor]:
    """Deal ``indices`` out to ``count`` disjoint shards, whose sizes differ by one at most.

    With ``targets`` every shard has each class in its share. Who lies where then depends on everybody's class, so
    that votes of teachers on such shards hide a record's content, but not its class. With ``None`` it depends on a
    record's place in ``indices`` alone, and votes hide the whole of a record, its class included.

    Args:
        indices: (N,) int64, the private records, each once.
        targets: (M,) class of every sample, looked up by index; ``None`` to deal without a look at them.
        count: number of shards, at least 2.
        seed: decides who lies where.

    Returns:
        Indices of each shard, sorted.

    Raises:
        LimbeckError: fewer than two shards; more than there are records, or than a class has; a record given twice.

    Example:
        >>> parts = shards(torch.arange(10), torch.tensor([0, 1] * 5), count=2, seed=0)
        >>> [len(part) for part in parts], torch.cat(parts).sort().values.tolist() == list(range(10))
        ([5, 5], True)
    """
    if whole("the number of shards", count) < 2:
        raise LimbeckError("One shard is no secret: deal the private records out to 2 teachers or more.")
    if len(set(indices.tolist())) != len(indices):
        raise LimbeckError(
            "A private record is given twice: two teachers could learn from it, and their votes would give away more "
            "than is counted."
        )
    # RandomState's stream is frozen by numpy's compatibility promise; Generator's is not
    shuffled = indices[torch.from_numpy(np.random.RandomState(seed % 2**32).permutation(len(indices)))]
    least = len(indices)
    if targets is not None:
        own = targets[shuffled]
        shuffled = shuffled[own.argsort(stable=True)]
        least = min(Counter(own.tolist()).values(), default=0)
    if count > least:
        what = "records" if targets is None or least == len(indices) else "records of one class"
        raise LimbeckError(
            f"{least} private {what} are too few for {count} teachers: take {least} teachers at most, or more data."
        )
    return [shuffled[start::count].sort().values for start in range(count)]
