"""Marks and checksums: how a record that was written is told from one that was not, or was damaged."""

import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
_WORD = np.dtype("<u8")


def marks(rows: Sequence[Bytes], samples: NDArray[np.int64], salt: int) -> Bytes:
    """Return one byte for each record, 1 to 255, that another content or place would change.

    A mark that does not fit shows a torn or altered record with a probability of 254 in 255.

    Args:
        rows: the record's bytes, one array (N, width) for each field.
        samples: (N,) which sample each record is of.
        salt: which cache and view they belong to.

    Returns:
        (N,) marks; none is 0.

    Example:
        >>> record = np.zeros((1, 30), np.uint8)
        >>> here, there = (marks([record], np.array([sample]), salt=7)[0] for sample in (0, 1))
        >>> here != there
        np.True_
    """
    total = _mixed(samples.astype(_WORD) + _keys(1, salt))
    for number, each in enumerate(rows):
        words = _words(each)
        # Words are mixed before they are added: two flips of the same bit in two words must not cancel.
        total += _mixed(words ^ _keys(words.shape[1], salt + number + 1)).sum(axis=1, dtype=_WORD)
    return (_mixed(total) % np.uint64(255) + np.uint64(1)).astype(np.uint8)


def checksum(parts: Sequence[NDArray[Any]], salt: int) -> int:
    """Return the CRC-32 of a block, or 1 where it is 0, which means a block that is not sealed.

    Args:
        parts: contiguous arrays, one after the other.
        salt: which cache and view they belong to.

    Example:
        >>> checksum([np.arange(4, dtype=np.uint8)], salt=0)
        2344191507
    """
    value = salt
    for each in parts:
        value = zlib.crc32(each.data, value)
    return value or 1


def _words(rows: Bytes) -> NDArray[np.uint64]:
    """Return (N, width) bytes as (N, ceil(width / 8)) words, with zeros behind."""
    missing = -rows.shape[1] % 8
    if missing or not rows.flags.c_contiguous:
        padded = np.zeros((len(rows), rows.shape[1] + missing), np.uint8)
        padded[:, : rows.shape[1]] = rows
        rows = padded
    return rows.view(_WORD)


@lru_cache(maxsize=1024)
def _keys(count: int, salt: int) -> NDArray[np.uint64]:
    keys = _mixed((np.arange(1, count + 1, dtype=_WORD) << np.uint64(40)) + np.uint64(salt))
    keys.flags.writeable = False
    return keys


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return words of which each bit depends on every bit (the finaliser of SplitMix64, Steele and others 2014)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
