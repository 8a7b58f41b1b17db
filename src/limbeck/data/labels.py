"""The targets of a torch data set, found without reading its images where that is possible."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Subset, TensorDataset

from limbeck.data.seeding import seeding
from limbeck.errors import LimbeckError


def known_labels(dataset: Any) -> Sequence[Any]:
    """Return y of every sample of ``dataset``, in order.

    Tensor data sets, subsets and joined sets are looked into; an attribute ``targets`` or ``labels`` is
    believed when it agrees with samples read for comparison; otherwise every sample is read once.

    Args:
        dataset: a map-style data set of (x, y) pairs.

    Raises:
        LimbeckError: it gives no pairs.

    Example:
        >>> pairs = TensorDataset(torch.rand(3, 2), torch.tensor([4, 5, 6]))
        >>> [int(y) for y in known_labels(Subset(pairs, [2, 0]))]
        [6, 4]
    """
    if isinstance(dataset, Subset):
        inner = known_labels(dataset.dataset)
        return [inner[int(each)] for each in dataset.indices]
    if isinstance(dataset, ConcatDataset):
        return [y for each in dataset.datasets for y in known_labels(each)]
    if type(dataset) is TensorDataset and len(dataset.tensors) == 2:
        return _listed(dataset.tensors[1])
    for each in ("targets", "labels"):
        listed = getattr(dataset, each, None)
        if isinstance(listed, list | tuple | Tensor | np.ndarray) and _agrees(dataset, listed):
            return _listed(listed)
    with seeding(everything=True) as seed_with:
        seed_with(0)
        return [pair_of(dataset, index)[1] for index in range(len(dataset))]


def numbers(values: Sequence[Any]) -> Tensor | None:
    """Return targets as int64 when all are whole, as float32 when not, ``None`` when they are no numbers.

    Example:
        >>> numbers([1, torch.tensor(2)]), numbers([0.5, 1]), numbers([[1, 2], [3]])
        (tensor([1, 2]), tensor([0.5000, 1.0000]), None)
    """
    plain = []
    for each in values:
        value = each.item() if hasattr(each, "item") and np.prod(tuple(each.shape)) == 1 else each
        if not isinstance(value, int | float):
            return None
        plain.append(value)
    whole = all(isinstance(each, int) for each in plain)
    return torch.tensor(plain, dtype=torch.int64 if whole else torch.float32)


def _listed(values: Any) -> list[Any]:
    # plain numbers at once: a tensor's elements one by one are slow
    return list(values) if getattr(values, "ndim", 0) != 1 else values.tolist()


def _agrees(dataset: Any, listed: Any) -> bool:
    """Whether ``listed`` holds the targets: a transform of the targets, or another meaning, would show."""
    if len(listed) != len(dataset):
        return False
    with seeding(everything=True) as seed_with:
        seed_with(0)
        for index in {0, len(dataset) // 3, len(dataset) // 2, len(dataset) - 1}:
            read, claimed = numbers([pair_of(dataset, index)[1]]), numbers([listed[index]])
            if (
                read is None
                or claimed is None
                or read.dtype != claimed.dtype
                or not torch.equal(read, claimed)
            ):
                return False
    return True


def pair_of(dataset: Any, index: int) -> tuple[Any, Any]:
    """Return x and y of sample ``index``.

    Raises:
        LimbeckError: the data set gives something else.
    """
    item = dataset[index]
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise LimbeckError(
            f"A data set must give (x, y) pairs, but {type(dataset).__name__} gives "
            f"{f'{len(item)} things' if isinstance(item, tuple | list) else type(item).__name__}."
        )
    return item[0], item[1]
