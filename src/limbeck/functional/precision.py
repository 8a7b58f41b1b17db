"""Arithmetic that half precision cannot do."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision(value: Tensor) -> Tensor:
    """Return half-precision tensors as float32 and leave the others, float64 included, as they are.

    Example:
        >>> full_precision(torch.zeros(1, dtype=torch.bfloat16)).dtype
        torch.float32
    """
    return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value


def without_autocast(value: Tensor) -> AbstractContextManager[object]:
    """Return a context in which products of matrices keep the precision of their factors.

    Autocast rounds every matrix product to half precision, float32 factors included: a Gram matrix or a distance
    taken from it would lose what it is made for. Elementwise maths needs no such context.

    Args:
        value: any of the tensors at hand; tells the device.

    Example:
        >>> with torch.autocast("cpu", torch.bfloat16), without_autocast(torch.zeros(1)):
        ...     (torch.zeros(2, 2) @ torch.zeros(2, 2)).dtype
        torch.float32
    """
    kind = value.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()


def without_float16(value: Tensor) -> AbstractContextManager[object]:
    """Return a context in which autocast to float16, but not to bfloat16, is off.

    Learnable parts of losses read features that nothing normalises: their products and the gradients of their
    weights pass 65504, where float16 ends, long before a network's own would.

    Args:
        value: any of the tensors at hand; tells the device.

    Example:
        >>> with torch.autocast("cpu", torch.float16), without_float16(torch.zeros(1)):
        ...     (torch.zeros(2, 2) @ torch.zeros(2, 2)).dtype
        torch.float32
    """
    kind = value.device.type
    narrow = torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == torch.float16
    return torch.autocast(kind, enabled=False) if narrow else nullcontext()
