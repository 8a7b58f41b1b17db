"""One view of every sample on disk: its records, their marks and the blocks' checksums."""

import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.cache.header import REBUILD, Header
from limbeck.cache.marks import Bytes, checksum, marks
from limbeck.cache.shard import mapped, reserve, values
from limbeck.errors import LimbeckError
from limbeck.files import NoSpaceError

Rows = NDArray[np.int64]
PIECE = 1024
"""Blocks that are counted at once, so that a large cache takes little memory."""
TRIES, PAUSE = 5, 0.01
"""How often, and after how many seconds, a reader looks again at what does not fit while somebody may write it."""


class View:
    """The records of one draw of every sample, in the order of the samples.

    A record is written before its mark, and a block's checksum when its last record is there: a process that is
    killed at any moment leaves whole records, or none.

    Args:
        folder: the cache.
        header: what the cache holds.
        number: of the view.
        samples: (M,) the samples' indices, or ``None`` when they are 0 to M - 1.
        write: whether records will be written.

    Raises:
        LimbeckError: a file is missing or is not what the header says.
    """

    def __init__(self, folder: Path, header: Header, number: int, samples: Rows | None, write: bool):
        self.folder, self.number = folder, number
        self._header, self._samples, self._write = header, samples, write
        self._salt = zlib.crc32(number.to_bytes(4, "little"), header.salt)
        self._maps = {
            name: mapped(shard(folder, number, name), shape, dtype, write)
            for name, (shape, dtype) in shapes(header).items()
        }
        arrays = {name: values(each) for name, each in self._maps.items()}
        self._marks, self._sums = arrays.pop("marks"), arrays.pop("sums")
        self._fields: dict[str, Bytes] = arrays
        self._checked = np.zeros(len(self._sums), bool)
        self._unchecked = len(self._sums)
        self.counts = np.zeros(len(self._sums), np.int64)
        """Records in each block; kept by a writer only."""
        self.written = 0
        """Records in all blocks; kept by a writer only."""

    @property
    def sealed(self) -> bool:
        """Whether every block has its checksum."""
        return bool(self._sums.all())

    @property
    def filled(self) -> int:
        """How many records are written."""
        return int(np.count_nonzero(self._marks))

    def present(self, rows: Rows) -> NDArray[np.bool_]:
        """Return which of the records (N,) are written."""
        found: NDArray[np.bool_] = self._marks.take(rows) != 0
        return found

    def read(self, field: str, rows: Rows) -> Bytes:
        """Return (N, width) bytes of the records at ``rows`` (N,), after their blocks or marks were checked."""
        if self._unchecked:
            self._check_rows(rows)
        return self._fields[field].take(rows, axis=0)

    def everything(self, field: str) -> Bytes:
        """Return (M, width) bytes of all records as they lie on the disk; nothing is checked."""
        return self._fields[field]

    def write(self, rows: Rows, records: Mapping[str, Bytes]) -> int:
        """Write the records that are not there yet, and seal the blocks that they fill.

        Args:
            rows: (N,) where, each once.
            records: name of the field -> (N, width) bytes.

        Returns:
            How many were written.
        """
        fresh = np.flatnonzero(self._marks.take(rows) == 0)
        if not len(fresh):
            return 0
        rows = rows[fresh]
        found = {name: records[name].take(fresh, axis=0) for name in self._fields}
        stamps = marks(list(found.values()), self._named(rows), self._salt)
        for name, each in found.items():
            self._fields[name][rows] = each
        self._marks[rows] = stamps  # last: what has no mark was never written
        blocks, added = np.unique(rows // self._header.block, return_counts=True)
        self.counts[blocks] += added
        self.written += len(rows)
        self._seal(blocks)
        return len(rows)

    def recover(self) -> None:
        """Count what an earlier process wrote, and seal the blocks that it filled and could not seal.

        Raises:
            LimbeckError: a sealed block lacks records, or a record does not fit its mark.
        """
        self.counts = self.count()
        self.written = int(self.counts.sum())
        lacking = np.flatnonzero((self._sums != 0) & (self.counts < self._sizes(np.arange(len(self._sums)))))
        if len(lacking):
            raise self._damaged(int(lacking[0]))
        self._seal(np.flatnonzero(self._sums == 0))

    def check(self, again: bool = False) -> None:
        """Check every block and every record.

        Args:
            again: also those that were checked before.

        Raises:
            LimbeckError: names the first block that is damaged.
        """
        for block in range(len(self._sums)):
            if again or not self._checked[block]:
                self._check_block(block)

    def chosen(self, block: int, ranks: Rows) -> Rows:
        """Return the rows of the records in a block that have the given ranks among those written."""
        start, end = self._bounds(block)
        return start + np.flatnonzero(self._marks[start:end])[ranks]

    def count(self) -> Rows:
        """Return how many records each block holds, counted anew."""
        block, piece = self._header.block, self._header.block * PIECE
        pieces = (self._marks[start : start + piece] != 0 for start in range(0, len(self._marks), piece))
        return np.concatenate(
            [np.add.reduceat(each, np.arange(0, len(each), block), dtype=np.int64) for each in pieces]
        )

    def flush(self) -> None:
        """Wait until what was written is on the disk."""
        for each in self._maps.values():
            each.flush()

    def _check_rows(self, rows: Rows) -> None:
        blocks = rows // self._header.block
        unchecked = ~self._checked.take(blocks)
        if not unchecked.any():
            return
        new = np.unique(blocks[unchecked])
        for block in new[self._sums[new] != 0]:
            self._check_block(int(block))
        unsealed = rows[~self._checked.take(blocks)]
        if len(unsealed):
            self._check_marks(unsealed)

    def _check_block(self, block: int) -> None:
        start, end = self._bounds(block)
        if not self._sums[block]:
            self._check_marks(start + np.flatnonzero(self._marks[start:end]))
            return
        for attempt in range(self._tries):
            if attempt:
                time.sleep(PAUSE)
            if self._sums[block] == self._sum(start, end):
                self._unchecked -= not self._checked[block]
                self._checked[block] = True
                return
        raise self._damaged(block)

    def _check_marks(self, rows: Rows) -> None:
        for attempt in range(self._tries):
            if attempt:
                time.sleep(PAUSE)
            found = [each.take(rows, axis=0) for each in self._fields.values()]
            stored = self._marks.take(rows)
            wrong = np.flatnonzero(stored != marks(found, self._named(rows), self._salt))
            if not len(wrong):
                return
        row = rows[wrong[:1]]
        name = f"The record of sample {self._named(row)[0]}, view {self.number} in {self.folder}"
        if not stored[wrong[0]]:
            raise LimbeckError(f"{name} is not written yet. Ask which are present before reading.")
        raise LimbeckError(f"{name} is damaged: its mark does not fit ({self._files()}). {REBUILD}")

    @property
    def _tries(self) -> int:
        """On some processors another process sees a mark before the record that was written before it."""
        return 1 if self._write or self._header.complete else TRIES

    def _seal(self, blocks: Rows) -> None:
        for block in blocks[self.counts[blocks] == self._sizes(blocks)]:
            start, end = self._bounds(int(block))
            self._check_marks(np.arange(start, end))  # so that no torn record is sealed as a right one
            self._sums[block] = self._sum(start, end)

    def _sum(self, start: int, end: int) -> int:
        parts = [each[start:end] for each in (*self._fields.values(), self._marks)]
        if self._samples is not None:
            parts.append(self._samples[start:end])
        return checksum(parts, self._salt)

    def _bounds(self, block: int) -> tuple[int, int]:
        start = block * self._header.block
        return start, min(start + self._header.block, self._header.samples)

    def _sizes(self, blocks: Rows) -> Rows:
        sizes: Rows = np.minimum(self._header.block, self._header.samples - blocks * self._header.block)
        return sizes

    def _named(self, rows: Rows) -> Rows:
        return rows if self._samples is None else self._samples.take(rows)

    def _damaged(self, block: int) -> LimbeckError:
        start, end = self._bounds(block)
        first, last = self._named(np.array([start, end - 1]))
        return LimbeckError(
            f"Block {block} of view {self.number} in {self.folder} (samples {first} to {last}; {self._files()}) is "
            f"damaged: its checksum does not fit. {REBUILD}"
        )

    def _files(self) -> str:
        listed = [] if self._samples is None else ["samples.npy"]
        return ", ".join([*(shard(self.folder, self.number, each).name for each in self._maps), *listed])


def shard(folder: Path, view: int, name: str) -> Path:
    """Return where a field, the marks or the sums of a view lie.

    Example:
        >>> shard(Path("cache"), 3, "marks").name
        'view-0003.marks.npy'
    """
    return folder / f"view-{view:04d}.{name}.npy"


def shapes(header: Header) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return shape and type of each array of a view, the marks last.

    Example:
        >>> shapes(Header(2000, 1, {"logits": {"width": 14}}))["sums"]
        ((2,), '<u4')
    """
    found: dict[str, tuple[tuple[int, ...], Any]] = {
        name: ((header.samples, width), "|u1") for name, width in header.widths.items()
    }
    found["sums"] = ((-(-header.samples // header.block),), "<u4")
    found["marks"] = ((header.samples,), "|u1")
    return found


def make(folder: Path, header: Header, number: int) -> None:
    """Make the files of a view, with nothing written in them.

    Raises:
        NoSpaceError: the disk is full; nothing that was written before is lost.
    """
    made: list[Path] = []
    try:
        for name, (shape, dtype) in shapes(header).items():
            reserve(shard(folder, number, name), shape, dtype)  # marks last: where they are, all is
            made.append(shard(folder, number, name))
    except NoSpaceError:
        for each in made:
            each.unlink()
        needed = header.samples * (header.width + 1)
        raise NoSpaceError(
            f"No space left in {folder} for view {number} of the cache, which needs {needed / 1e6:,.1f} MB; nothing "
            "written before is lost. Free some space, then go on with the same command."
        ) from None
