"""What a layout is given, looked at before it is written or read."""

import math

import torch
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.functional import ABSENT


def answers(values: Tensor, size: int) -> Tensor:
    """Return a teacher's answers as float32, after checking their shape and that they are finite.

    Args:
        values: (N, D) of any floating type.
        size: D.

    Raises:
        LimbeckError: another shape or type; infinite values or NaN, also those beyond float32.

    Example:
        >>> answers(torch.zeros(2, 3, dtype=torch.float64), 3).dtype
        torch.float32
    """
    return _finite(values, size)[0]


def logits_of(values: Tensor, size: int) -> tuple[Tensor, Tensor | None]:
    """Return logits as float32, and which of them stand for classes that the teacher does not know.

    Args:
        values: (N, C) of any floating type; :data:`limbeck.functional.ABSENT` as that type rounds it.
        size: C.

    Returns:
        (N, C) float32 and (N, C) bool, or ``None`` where every class is known.

    Raises:
        LimbeckError: as :func:`answers`.

    Example:
        >>> logits_of(torch.tensor([[1.0, -3e4]], dtype=torch.bfloat16), 2)[1]
        tensor([[False,  True]])
    """
    single, lowest = _finite(values, size)
    stand_in = torch.tensor(ABSENT, dtype=values.dtype).item()
    if lowest > stand_in:
        return single, None
    absent = single == torch.tensor(stand_in, dtype=torch.float32).item()
    return single, absent if bool(absent.any()) else None


def _finite(values: Tensor, size: int) -> tuple[Tensor, float]:
    """Return the values as float32, and the smallest of them; 0 of none."""
    if values.dim() != 2 or values.shape[1] != size or not values.is_floating_point():
        raise LimbeckError(
            f"The cache keeps rows of {size} floating-point numbers, and the teacher's outputs are {values.dtype} "
            f"{tuple(values.shape)}: make the cache for outputs of this size."
        )
    single = values.detach().float()
    if not len(single):
        return single, 0.0
    lowest, highest = (float(each) for each in single.aminmax())  # both NaN where any is
    if not (math.isfinite(lowest) and math.isfinite(highest)):
        rows = int((~torch.isfinite(single)).any(1).sum())
        raise LimbeckError(
            f"The teacher's outputs are not finite: {rows} of {len(values)} rows hold infinities or NaN. Ask it in a "
            f"higher precision; a class that it rules out is written as limbeck.functional.ABSENT."
        )
    return single, lowest


def records(rows: Tensor, width: int) -> Tensor:
    """Return records after checking their type and width.

    Args:
        rows: (N, W) uint8.
        width: W.

    Raises:
        LimbeckError: another type or shape.

    Example:
        >>> records(torch.zeros(2, 12, dtype=torch.uint8), 12).shape
        torch.Size([2, 12])
    """
    if rows.dtype != torch.uint8 or rows.dim() != 2 or rows.shape[1] != width:
        raise LimbeckError(
            f"Records of this cache are rows of {width} bytes, not {rows.dtype} {tuple(rows.shape)}: read them with "
            "the layout that the cache was made with."
        )
    return rows
