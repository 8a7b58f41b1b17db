"""The views of a cache that are there, opened when they are needed."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limbeck.cache.header import REBUILD, Header
from limbeck.cache.samples import Samples
from limbeck.cache.view import View, make, shard
from limbeck.errors import LimbeckError


class Views:
    """A cache's views by number.

    Args:
        folder: the cache.
        header: what it holds.
        samples: that it knows.
        write: whether records will be written.

    Raises:
        LimbeckError: a file is damaged, or missing from a complete cache.
    """

    def __init__(self, folder: Path, header: Header, samples: Samples, write: bool):
        self._folder, self._header, self._samples, self._write = folder, header, samples, write
        self._open: dict[int, View] = {}
        for number in range(header.views):
            if header.complete or self._there(number):
                self._open[number] = self._opened(number)

    @property
    def filled(self) -> int:
        """How many records are written, all views together."""
        if self._write:
            return sum(each.written for each in self._open.values())
        return sum(each.filled for each in self.all())

    def get(self, number: int) -> View | None:
        """Return a view, or ``None`` while nothing of it is written."""
        view = self._open.get(number)
        if view is None and self._there(number):
            view = self._open[number] = self._opened(number)
        return view

    def made(self, number: int) -> View:
        """Return a view, after its files were made where there are none yet.

        Raises:
            NoSpaceError: the disk is full; nothing written before is lost.
        """
        view = self.get(number)
        if view is None:
            make(self._folder, self._header, number)
            view = self._open[number] = self._opened(number)
        return view

    def all(self) -> list[View]:
        """Return every view of which something is written."""
        found = [self.get(number) for number in range(self._header.views)]
        return [each for each in found if each is not None]

    def some(self, count: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return samples (n,) and views (n,) of a few records that are written, chosen by ``seed``."""
        views = self.all()
        counts = np.concatenate([np.zeros(0, np.int64), *(each.count() for each in views)])
        ends = counts.cumsum()
        total = int(ends[-1]) if len(ends) else 0
        index, view = np.zeros(min(count, total), np.int64), np.zeros(min(count, total), np.int64)
        ranks = np.sort(np.random.default_rng(seed).choice(max(total, 1), len(index), replace=False))
        blocks = -(-self._header.samples // self._header.block)
        for number, rank in enumerate(ranks):
            at = int(np.searchsorted(ends, rank, side="right"))
            held = views[at // blocks]
            row = held.chosen(at % blocks, rank - (ends[at] - counts[at]))
            index[number], view[number] = self._samples.named(row), held.number
        return index, view

    def flush(self) -> None:
        """Wait until what was written is on the disk."""
        for view in self._open.values():
            view.flush()

    def close(self) -> None:
        """Let go of the files."""
        self._open.clear()

    def _there(self, number: int) -> bool:
        return shard(self._folder, number, "marks").exists()  # they are made last

    def _opened(self, number: int) -> View:
        view = View(self._folder, self._header, number, self._samples.listed, self._write)
        if self._header.complete and not view.sealed:
            raise LimbeckError(
                f"{shard(self._folder, number, 'sums')} lacks checksums, though the cache says that it is complete. "
                f"{REBUILD}"
            )
        if self._write and not self._header.complete:
            view.recover()
        return view
