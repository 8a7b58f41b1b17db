"""Records on disk by sample and view: written once, checked when they are read."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from limbeck.cache import folders
from limbeck.cache.header import Header
from limbeck.cache.lock import locked
from limbeck.cache.places import ALL, Numbers, by_view, fitting, joined, numbers
from limbeck.cache.samples import Samples
from limbeck.cache.views import Views
from limbeck.errors import LimbeckError, did_you_mean

PIECE = 1 << 16
"""Records that go to a device at once."""


class Store:
    """A cache's records: rows of bytes by sample and view, in memory-mapped files of one folder.

    Made by :meth:`create` or :meth:`open`. One process writes at a time, any number reads, also meanwhile. Nothing is
    read as numbers before its mark or its block's checksum was compared.

    Example:
        >>> import tempfile
        >>> header = Header(samples=3, views=2, fields={"logits": {"width": 4}})
        >>> with Store.create(tempfile.mkdtemp(), header, torch.arange(3)) as store:
        ...     places = store.places(torch.tensor([2, 0]), torch.tensor([1, 1]))
        ...     store.write(places, {"logits": torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]], dtype=torch.uint8)})
        ...     store.read("logits", places[:1]), store.filled
        (tensor([[1, 2, 3, 4]], dtype=torch.uint8), 2)
    """

    def __init__(self, folder: Path, header: Header, samples: Samples, lock: FileLock | None = None):
        self.folder, self.header = folder, header
        self._samples, self._lock, self._owner = samples, lock, os.getpid()
        self._open: Views | None = Views(folder, header, samples, lock is not None)
        if lock is not None:
            self._complete_if_full()

    @classmethod
    def create(cls, folder: str | os.PathLike[str], header: Header, samples: Tensor) -> "Store":
        """Return a new cache with nothing in it yet, to be written.

        Args:
            folder: where; made when it is not there, and otherwise empty.
            header: what the cache will hold.
            samples: (M,) int64, the samples' indices, each once, in any order.

        Raises:
            LimbeckError: the folder holds something, or the samples are not as many as the header says.
        """
        path = Path(folder)
        found, header = Samples.of(samples, header)
        folders.prepare(path, found)
        lock = locked(path)
        try:
            folders.prepare(path, found)  # again: another process may have been faster
            found.write(path)
            header.write(path)
            return cls(path, header, found, lock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def open(cls, folder: str | os.PathLike[str], *, write: bool = False) -> "Store":
        """Return the cache in a folder.

        Args:
            folder: where it is.
            write: whether records will be added, which one process at a time may do.

        Raises:
            LimbeckError: no cache, a damaged or foreign one, or one that another process writes.
        """
        path = Path(folder)
        header = Header.read(path)
        lock = locked(path) if write else None
        try:
            if write:
                header = Header.read(path)  # again: another process may have completed it
                folders.tidy(path)
            return cls(path, header, Samples.read(path, header), lock)
        except BaseException:
            if lock is not None:
                lock.release()
            raise

    @property
    def complete(self) -> bool:
        """Whether every record was written; a reader knows what was so when it opened the cache."""
        return self.header.complete

    @property
    def filled(self) -> int:
        """How many records are written."""
        return self.header.samples * self.header.views if self.complete else self._views.filled

    @property
    def bytes(self) -> int:
        """Bytes of all files on the disk."""
        return sum(each.stat().st_size for each in self.folder.iterdir() if each.is_file())

    @property
    def bytes_per_view(self) -> float:
        """Bytes on the disk for one view of one sample: its record, its mark, its share of a checksum."""
        blocks = -(-self.header.samples // self.header.block)
        return self.header.width + 1 + 4 * blocks / self.header.samples

    def places(self, index: Tensor, view: Tensor) -> Tensor:
        """Return where records lie.

        Args:
            index: (N,) int64 samples.
            view: (N,) int64 views.

        Returns:
            (N,) int64 places, for the other methods.

        Raises:
            LimbeckError: a sample that the cache does not know, or a view that it does not hold.
        """
        positions = self._samples.positions(numbers("index", index), self.folder)
        held = self.header
        return torch.from_numpy(joined(positions, numbers("view", view), held.samples, held.views))

    def present(self, places: Tensor) -> Tensor:
        """Return (N,) bool: which of the records at ``places`` (N,) are written."""
        found = np.zeros(len(places), bool)
        for number, chosen, rows in self._by_view(places):
            view = self._views.get(number)
            if view is not None:
                found[chosen] = self.complete or view.present(rows)
        return torch.from_numpy(found)

    def read(self, field: str, places: Tensor) -> Tensor:
        """Return the records at ``places``, checked.

        Args:
            field: of the record.
            places: (N,) int64, from :meth:`places`; all must be present.

        Returns:
            (N, width) uint8.

        Raises:
            LimbeckError: a record is damaged or not written, or there is no such field.
        """
        self._known(field)
        found = np.empty((places.numel(), self.header.fields[field]["width"]), np.uint8)
        for number, chosen, rows in self._by_view(places):
            view = self._views.get(number)
            if view is None:
                raise LimbeckError(
                    f"Nothing of view {number} is written yet in {self.folder}. Ask which are present."
                )
            part = view.read(field, rows)
            if chosen is ALL:
                return torch.from_numpy(part)
            found[chosen] = part
        return torch.from_numpy(found)

    def write(self, places: Tensor, rows: Mapping[str, Tensor]) -> None:
        """Write records; those that are there already stay as they are.

        Args:
            places: (N,) int64, from :meth:`places`; the first of equal ones counts.
            rows: name of each field -> (N, width) uint8.

        Raises:
            LimbeckError: opened for reading, or the rows do not fit the fields.
            NoSpaceError: the disk is full; nothing written before is lost.
        """
        self._may_write()
        records = fitting(rows, self.header.widths, len(places))
        if self.complete:
            return
        for number, chosen, within in self._by_view(places):
            once, first = np.unique(within, return_index=True)
            self._views.made(number).write(
                once, {name: each[chosen][first] for name, each in records.items()}
            )
        self._complete_if_full()

    def verify(self) -> None:
        """Check every record that is written.

        Raises:
            LimbeckError: names the first block and its files that are damaged.
        """
        for view in self._views.all():
            view.check(again=True)

    def resident(self, field: str, device: torch.device | str = "cpu") -> Tensor:
        """Return all records of a complete cache on a device, checked.

        Args:
            field: of the record.
            device: where they are to lie; they take M · V · width bytes there.

        Returns:
            (V · M, width) uint8, in the order of places.

        Raises:
            LimbeckError: not complete, or damaged.
        """
        self._known(field)
        if not self.complete:
            raise LimbeckError(
                f"The cache {self.folder} is not complete yet: fill it before holding it in memory."
            )
        samples, width = self.header.samples, self.header.widths[field]
        found = torch.empty(self.header.views * samples, width, dtype=torch.uint8, device=device)
        for number, view in enumerate(self._views.all()):
            view.check()
            for start in range(0, samples, PIECE):
                part = torch.from_numpy(np.array(view.everything(field)[start : start + PIECE]))
                found[number * samples + start :][: len(part)].copy_(part)
        return found

    def some(self, count: int, seed: int) -> tuple[Tensor, Tensor]:
        """Return a few records that are written, so that they can be recomputed and compared.

        Args:
            count: how many; fewer where fewer are written.
            seed: another one chooses others.

        Returns:
            (n,) samples and (n,) views, int64, in the order of places.
        """
        index, view = self._views.some(count, seed)
        return torch.from_numpy(index), torch.from_numpy(view)

    def flush(self) -> None:
        """Wait until everything that was written is on the disk, to outlast a power failure."""
        self._views.flush()

    def close(self) -> None:
        """Let go of the files, and of the right to write; what was written is kept."""
        if self._lock is not None and self._open is not None and os.getpid() == self._owner:
            self._open.flush()
            self._lock.release()
        self._lock = self._open = None

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return Store.open, (self.folder,)  # another process reads; the maps' bytes do not travel

    @property
    def _views(self) -> Views:
        if self._open is None:
            raise LimbeckError(f"The cache {self.folder} was closed: open it again.")
        return self._open

    def _by_view(self, places: Tensor) -> list[tuple[int, Any, Numbers]]:
        return by_view(numbers("places", places), self.header.samples, self.header.views)

    def _complete_if_full(self) -> None:
        if self.complete or self._views.filled < self.header.samples * self.header.views:
            return
        self.flush()  # before the header says so
        header = self.header.completed()
        header.write(self.folder)
        self.header = header

    def _known(self, field: str) -> None:
        if field not in self.header.fields:
            hint = did_you_mean(field, self.header.fields) or f" Use {' or '.join(self.header.widths)}."
            raise LimbeckError(f"The cache {self.folder} has no field {field!r}.{hint}")

    def _may_write(self) -> None:
        if self._lock is None:
            raise LimbeckError(
                f"The cache {self.folder} was opened for reading only: open it with write=True."
            )
        if os.getpid() != self._owner:
            raise LimbeckError(f"The cache {self.folder} may be written only by the process that opened it.")
