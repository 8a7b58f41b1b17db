"""Which samples a cache knows, and at which position each lies."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from limbeck.cache.header import Header
from limbeck.cache.places import within
from limbeck.cache.shard import mapped, values
from limbeck.errors import LimbeckError
from limbeck.files import replacing

NAME = "samples.npy"
Index = NDArray[np.int64]


class Samples:
    """The samples of a cache in rising order.

    Args:
        count: how many.
        listed: (count,) their indices, or ``None`` when they are 0 to ``count - 1``.

    Example:
        >>> Samples(3, np.array([2, 5, 9])).positions(np.array([9, 2]), Path("cache"))
        array([2, 0])
    """

    def __init__(self, count: int, listed: Index | None = None):
        self.count, self.listed = count, listed

    @classmethod
    def of(cls, index: Tensor, header: Header) -> "tuple[Samples, Header]":
        """Return the samples with these indices (M,), and the header that says whether they are listed.

        Raises:
            LimbeckError: not whole numbers of at least 0, each once, or not as many as the header says.
        """
        if index.ndim != 1 or index.dtype != torch.int64:
            raise LimbeckError(
                f"samples must be int64 (M,), not {index.dtype} of shape {tuple(index.shape)}."
            )
        found = np.sort(index.cpu().numpy())
        if len(found) != header.samples:
            raise LimbeckError(f"The header says {header.samples:,} samples, and {len(found):,} are given.")
        if found[0] < 0 or (found[1:] == found[:-1]).any():
            raise LimbeckError("A cache's samples must be whole numbers of at least 0, each of them once.")
        listed = int(found[-1]) != len(found) - 1
        return cls(len(found), found if listed else None), replace(header, listed=listed, complete=False)

    @classmethod
    def read(cls, folder: Path, header: Header) -> "Samples":
        """Return the samples of the cache in a folder; of a long list only what is needed is read, when it is."""
        if not header.listed:
            return cls(header.samples)
        return cls(header.samples, values(mapped(folder / NAME, (header.samples,), "<i8")))

    def positions(self, index: Index, folder: Path) -> Index:
        """Return where samples lie.

        Args:
            index: (N,) the samples.
            folder: the cache, for the message.

        Raises:
            LimbeckError: a sample that is not among them.
        """
        if not len(index):
            return index
        if self.listed is None:
            if not within(index, self.count):
                raise self._unknown(int(index[(index < 0) | (index >= self.count)][0]), folder)
            return index
        found = np.minimum(np.searchsorted(self.listed, index), self.count - 1)
        wrong = self.listed.take(found) != index
        if wrong.any():
            raise self._unknown(int(index[wrong][0]), folder)
        return found

    def named(self, positions: Index) -> Index:
        """Return the indices of the samples at positions of any shape."""
        return positions if self.listed is None else self.listed.take(positions)

    def contents(self) -> bytes | None:
        """Return what ``samples.npy`` holds, or ``None`` when it is left out."""
        if self.listed is None:
            return None
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, self.listed.astype("<i8", copy=False), (1, 0), allow_pickle=False)
        return buffer.getvalue()

    def write(self, folder: Path) -> None:
        """Write ``samples.npy`` where it is needed, whole or not at all."""
        contents = self.contents()
        if contents is not None:
            with replacing(folder / NAME) as temporary:
                temporary.write_bytes(contents)

    def _unknown(self, sample: int, folder: Path) -> LimbeckError:
        first, last = self.named(np.array([0, self.count - 1]))
        return LimbeckError(
            f"Sample {sample} is not in the cache {folder}, which knows {self.count:,} samples from {first} to {last}: "
            "it was made of other data. Build another cache for these."
        )
