"""Places of records, a view and a position in it as one number; and what is to be written there."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from limbeck.errors import LimbeckError

Numbers = NDArray[np.int64]
ALL = slice(None)
_UNSIGNED = np.dtype(np.uint64)


def numbers(name: str, tensor: Tensor) -> Numbers:
    """Return a tensor (N,) of whole numbers as an array.

    Args:
        name: what it is, for the message.
        tensor: on any device.

    Raises:
        LimbeckError: of another shape, or no whole numbers.

    Example:
        >>> numbers("index", torch.arange(3))
        array([0, 1, 2])
    """
    if tensor.dtype is torch.int64 and tensor.ndim == 1 and tensor.is_cpu:
        usual: Numbers = tensor.numpy()  # of a batch, where every microsecond counts
        return usual
    if tensor.ndim != 1 or (tensor.shape[0] and (tensor.is_floating_point() or tensor.element_size() == 1)):
        raise LimbeckError(f"{name} must be int64 (N,), not {tensor.dtype} of shape {tuple(tensor.shape)}.")
    found: Numbers = tensor.detach().cpu().numpy().astype(np.int64, copy=False)
    return found


def joined(positions: Numbers, views: Numbers, samples: int, held: int) -> Numbers:
    """Return the places (N,) of positions (N,) in views (N,).

    Args:
        positions: each sample's position among all.
        views: each from 0 to ``held - 1``.
        samples: how many samples there are.
        held: how many views there are.

    Raises:
        LimbeckError: not as many views as positions, or a view that is not held.

    Example:
        >>> joined(np.array([4, 4]), np.array([0, 2]), samples=10, held=3)
        array([ 4, 24])
    """
    if len(views) != len(positions):
        raise LimbeckError(
            f"There are {len(positions)} samples and {len(views)} views; they must be as many."
        )
    if not within(views, held):
        wrong = views[(views < 0) | (views >= held)][0]
        raise LimbeckError(
            f"View {wrong} is not in the cache, which holds views 0 to {held - 1}. Build one with more."
        )
    return views * samples + positions


def within(values: Numbers, end: int) -> bool:
    """Return whether all values (N,) are from 0 to ``end - 1``.

    Example:
        >>> within(np.array([0, 2]), 3), within(np.array([-1, 2]), 3)
        (True, False)
    """
    # Read without their sign, values below 0 are larger than all others: one pass instead of two.
    return int(np.maximum.reduce(values.view(_UNSIGNED), initial=0)) < end


def by_view(places: Numbers, samples: int, held: int) -> list[tuple[int, Any, Numbers]]:
    """Return the number of each view, which of the places lie in it, and their positions there.

    Args:
        places: (N,) from :func:`joined`.
        samples: how many samples there are.
        held: how many views there are.

    Raises:
        LimbeckError: a place beyond the last, or below 0.

    Example:
        >>> [(view, where.tolist()) for view, _, where in by_view(np.array([4, 24, 5]), 10, 3)]
        [(0, [4, 5]), (2, [4])]
    """
    if not len(places):
        return []
    low, high = int(np.minimum.reduce(places)), int(np.maximum.reduce(places))
    if low < 0 or high >= samples * held:
        raise LimbeckError(f"Places from {low} to {high} are not of this cache: ask it for places.")
    first = low // samples
    if first == high // samples:  # the usual batch: no loop at all
        return [(first, ALL, places - first * samples if first else places)]
    views = places // samples
    found = []
    for number in np.unique(views).tolist():
        chosen = np.flatnonzero(views == number)
        found.append((number, chosen, places[chosen] - number * samples))
    return found


def fitting(
    rows: Mapping[str, Tensor], widths: Mapping[str, int], count: int
) -> dict[str, NDArray[np.uint8]]:
    """Return records as arrays when they have the fields and the widths that they must have.

    Args:
        rows: name of each field -> (count, width) uint8.
        widths: bytes of one record in each field.
        count: how many records there must be.

    Raises:
        LimbeckError: a field too many or too few, or of another type or shape.

    Example:
        >>> fitting({"logits": torch.zeros(1, 2, dtype=torch.uint8)}, {"logits": 2}, 1)
        {'logits': array([[0, 0]], dtype=uint8)}
    """
    if rows.keys() != widths.keys():
        raise LimbeckError(
            f"A record of this cache has the fields {', '.join(widths)}, not {', '.join(rows)}."
        )
    for name, width in widths.items():
        if rows[name].dtype != torch.uint8 or rows[name].shape != (count, width):
            raise LimbeckError(
                f"Records of the field {name} must be uint8 of shape ({count}, {width}), not {rows[name].dtype} of "
                f"shape {tuple(rows[name].shape)}."
            )
    return {name: each.detach().cpu().numpy() for name, each in rows.items()}
