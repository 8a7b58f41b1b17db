"""Whole numbers of a few bits each, side by side in bytes."""

import sys
from collections.abc import Sequence

import torch
from torch import Tensor


def packed(fields: Sequence[tuple[Tensor, int]]) -> Tensor:
    """Return numbers as bits, one after the other, in as few bytes as hold them.

    Definition:
        Field after field, number after number, each number is written with its highest bit first; the first bit is
        the highest of the first byte, and what is left of the last byte is 0.

    Args:
        fields: pairs of whole numbers (N, n) and the bits each of them takes, 1 to 62; a number lies from 0 to
            2^bits − 1, higher bits are dropped.

    Returns:
        (N, ⌈Σ n · bits / 8⌉) uint8.

    Example:
        >>> packed([(torch.tensor([[1, 2]]), 3), (torch.tensor([[1]]), 2)]).tolist()  # 001 010 01
        [[41]]
    """
    bits = torch.cat([_bits_of(numbers.long(), width) for numbers, width in fields], 1)
    padded = torch.nn.functional.pad(bits, (0, -bits.shape[1] % 8))
    whole = padded.view(len(padded), padded.shape[1] // 8, 8)
    return (whole * _weights(8, bits)).sum(2).to(torch.uint8)


def unpacked(rows: Tensor, counts: Sequence[tuple[int, int]]) -> list[Tensor]:
    """Return the numbers that :func:`packed` wrote.

    Args:
        rows: (N, W) uint8.
        counts: of each field, how many numbers it has and the bits of each.

    Returns:
        For each field its numbers, (N, n) int64.

    Example:
        >>> unpacked(torch.tensor([[41]], dtype=torch.uint8), [(2, 3), (1, 2)])
        [tensor([[1, 2]]), tensor([[1]])]
    """
    bits = (rows.unsqueeze(2).int() >> _shifts(8, rows)).bitwise_and_(1).flatten(1)
    found, start = [], 0
    for count, width in counts:
        field = bits[:, start : start + count * width].reshape(len(bits), count, width)
        found.append((field * _weights(width, rows)).sum(2))
        start += count * width
    return found


def bytes_of(values: Tensor) -> Tensor:
    """Return numbers as bytes, the lowest byte of each first, whatever the machine does.

    Args:
        values: (N, D) of any type.

    Returns:
        (N, D · bytes of a number) uint8.

    Example:
        >>> bytes_of(torch.tensor([[1.0]])).tolist()
        [[0, 0, 128, 63]]
    """
    size = values.element_size()
    apart = values.contiguous().unsqueeze(2).view(torch.uint8)
    return _turned(apart).reshape(len(values), values.shape[1] * size)


def from_bytes(rows: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the numbers that :func:`bytes_of` wrote.

    Args:
        rows: (N, W) uint8.
        dtype: of the numbers.

    Example:
        >>> from_bytes(torch.tensor([[0, 0, 128, 63]], dtype=torch.uint8), torch.float32).tolist()
        [[1.0]]
    """
    apart = rows.reshape(len(rows), rows.shape[1] // dtype.itemsize, dtype.itemsize)
    return _turned(apart).contiguous().view(dtype).squeeze(2)


def _turned(apart: Tensor) -> Tensor:
    return apart.flip(2) if sys.byteorder == "big" else apart


def _bits_of(numbers: Tensor, width: int) -> Tensor:
    return (numbers.unsqueeze(2) >> _shifts(width, numbers)).bitwise_and_(1).flatten(1)


def _shifts(width: int, like: Tensor) -> Tensor:
    return torch.arange(width - 1, -1, -1, device=like.device)


def _weights(width: int, like: Tensor) -> Tensor:
    return torch.ones((), dtype=torch.int64, device=like.device) << _shifts(width, like)
