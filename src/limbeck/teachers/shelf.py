"""The cache of one teacher as a training uses it: opened or made, read by all processes, written by the first."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor

import limbeck
from limbeck.cache import Header, Layout, Store, layout_of
from limbeck.data.part import TrainingPart
from limbeck.errors import LimbeckError
from limbeck.processes import apart, joined
from limbeck.teachers.resident import Resident, fits
from limbeck.types import Batch

HEADER = "cache.json"
PIECE = 256
"""Samples that are read at once."""
BATCHES = 32
"""Whose answers are written at once."""
OF = "of"
"""Where the header says which output or layer a field holds, whose name may be no file's."""


class Shelf:
    """Where the answers about one training part lie.

    Args:
        folder: of the cache.
        part: what will be read, with ``cycle`` set.
        roles: the inputs that the teacher reads.
        samples: (M,) int64, those that it will be asked about; all of the part unless told.

    Raises:
        LimbeckError: a part without ``cycle``.
    """

    def __init__(
        self, folder: Path, part: TrainingPart, roles: tuple[str, ...], samples: Tensor | None = None
    ):
        views = getattr(part, "cycle", None)
        if views is None:
            raise LimbeckError(
                "A cache keeps a set number of views of each sample, and this part draws a new one in every epoch: "
                "give it a cycle, as in Part(views, indices, cycle=4)."
            )
        self.folder, self.views = folder, int(views)
        self._part, self._roles = part, roles
        self._samples = part.indices if samples is None else samples
        self.store: Store | None = None
        self.layouts: dict[str, Layout] = {}
        self.fields: dict[str, str] = {}
        self._later: list[tuple[Tensor, dict[str, Tensor]]] = []
        self._waiting: set[int] = set()
        self._held: Resident | Literal[False] | None = None

    @property
    def exists(self) -> bool:
        """Whether there is a cache already."""
        return (self.folder / HEADER).exists()

    @property
    def complete(self) -> bool:
        """Whether every answer is there, so that nobody writes any more."""
        return self._opened.complete

    @property
    def full(self) -> bool:
        """Whether there is a cache that has every answer, opened or not."""
        if self.store is not None:
            return self.store.complete
        if not self.exists:
            return False
        with Store.open(self.folder) as store:
            return store.complete

    @property
    def _opened(self) -> Store:
        assert self.store is not None
        return self.store

    def create(self, about_teacher: Mapping[str, str], layouts: Mapping[str, Layout]) -> None:
        """Make the cache, by the first process; the others read it."""
        called = {
            name: name if name.isidentifier() and name.islower() else f"layer_{number}"
            for number, name in enumerate(layouts)
        }
        if _first():
            fields = {
                called[name]: {**each.settings(), "width": each.width, OF: name}
                for name, each in layouts.items()
            }
            samples = torch.unique(self._samples)
            header = Header(
                samples=len(samples),
                views=self.views,
                fields=fields,
                about={**about_teacher, **self._about_data()},
                limbeck=limbeck.__version__,
            )
            self.store = Store.create(self.folder, header, samples)
        _wait()
        if not _first():
            self.store = Store.open(self.folder)
        self._read_layouts()

    def open(self) -> None:
        """Open the cache that is there, to be filled further where it is not complete.

        Raises:
            LimbeckError: it is damaged, or has fewer views or samples than will be read.
        """
        self.store = Store.open(self.folder)
        self._refuse_less(self.store)
        if not self.store.complete and _first():
            self.store.close()
            self.store = Store.open(self.folder, write=True)
        _wait()
        self._read_layouts()

    def _read_layouts(self) -> None:
        self.fields, self.layouts = {}, {}
        for field, settings in sorted(self._opened.header.fields.items()):
            name = str(settings.get(OF, field))
            self.fields[name] = field
            self.layouts[name] = layout_of(
                {key: value for key, value in settings.items() if key not in ("width", OF)}
            )

    def refuse_other(self, about_teacher: Mapping[str, str], partly: bool = False) -> None:
        """Refuse a cache of another teacher, other data or other draws.

        Args:
            about_teacher: what is known of it.
            partly: whether there is more to know, which is not compared.

        Raises:
            LimbeckError: what differs.
        """
        opened = self.store or Store.open(self.folder)
        now = {**about_teacher, **self._about_data()}
        changed = opened.header.differences({**opened.header.about, **now} if partly else now)
        if opened is not self.store:
            self._refuse_less(opened)
            opened.close()
        if changed:
            told = re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1…", " ".join("; ".join(changed).split()))
            raise LimbeckError(
                f"The cache in {self.folder} is of something else ({told}): name another folder, or "
                "delete this one to have it filled again."
            )

    def places(self, index: Tensor, view: Tensor) -> Tensor:
        """Return where the answers about samples (N,) in their views (N,) lie."""
        return self._opened.places(index.cpu(), view.cpu())

    def present(self, places: Tensor) -> Tensor:
        """Return which of them are there, (N,) bool."""
        if self._waiting and not self._waiting.isdisjoint(places.tolist()):
            self.flush()
        return self._opened.present(places)

    def lacking(self, index: Tensor, view: Tensor) -> Tensor:
        """Return which answers (N,) are not there, opened or not."""
        store = self.store or Store.open(self.folder)
        missing = ~store.present(store.places(index, view))
        if store is not self.store:
            store.close()
        return missing

    def read(self, name: str, places: Tensor) -> Tensor:
        """Return the bytes (N, width) of what was answered."""
        return self._opened.read(self.fields[name], places)

    def kept(
        self, names: Sequence[str], index: Tensor, view: Tensor, labels: Tensor | None
    ) -> dict[str, Tensor]:
        """Return each answer (N, D), once all are there, on the samples' device."""
        if self._held is None:
            store, here = self._opened, (self.layouts, self._samples, index.device)
            self._held = fits(store, *here) and Resident(store, self.fields, *here)
        if self._held:
            with suppress(IndexError):  # of what is not held the disk knows, or says what is wrong
                return {name: self._held.read(name, index, view, labels) for name in names}
        places = self.places(index, view)
        rows = {name: self.read(name, places).to(index.device) for name in names}
        return {name: self.layouts[name].decode(rows[name], labels) for name in names}

    def completed(self, rows: dict[str, Tensor], places: Tensor, there: Tensor) -> dict[str, Tensor]:
        """Return the bytes of every answer: what is kept, wherever anything is, and fresh ones for the others."""
        if not rows:
            return {name: self.read(name, places) for name in self.layouts}
        for name, fresh in rows.items():
            fresh[there] = self.read(name, places[there])
        return rows

    def write(
        self, places: Tensor, rows: Mapping[str, Tensor], new: Tensor | None, device: torch.device
    ) -> None:
        """Keep the answers that are new, those of all processes.

        One process writes those of several batches at once: for small networks, a write is not little beside a step.

        Args:
            places: (N,) of :meth:`places`.
            rows: the bytes of each answer.
            new: (N,) which of them are; all are unless told.
            device: where processes speak to each other.
        """
        fresh = dict(rows)
        if new is not None:
            places, fresh = places[new], {name: each[new] for name, each in rows.items()}
        if apart():
            # Gathered where the processes speak to each other: on their devices.
            fresh = {name: joined(each.to(device)).cpu() for name, each in fresh.items()}
            places = joined(places.to(device)).cpu()
            if _first() and len(places):
                self._write(places, fresh)
            if self._done(device):
                self._reopen()
            return
        self._later.append((places, fresh))
        self._waiting.update(places.tolist())
        header = self._opened.header
        lacking = header.samples * header.views - self._opened.filled
        if len(self._later) >= BATCHES or len(self._waiting) >= lacking:
            self.flush()

    def flush(self) -> None:
        """Write what waits to be written; to be called before a training says how far it has come."""
        if not self._later:
            return
        places = torch.cat([each for each, _ in self._later])
        rows = {name: torch.cat([each[name] for _, each in self._later]) for name in self.layouts}
        self._later.clear()
        self._waiting.clear()
        self._write(places, rows)
        if self._opened.complete:
            self._reopen()

    def _write(self, places: Tensor, rows: Mapping[str, Tensor]) -> None:
        self._opened.write(places, {self.fields[name]: each for name, each in rows.items()})

    def examples(self, most: int) -> Iterator[Batch]:
        """Yield some of the samples in their first view, an eighth of them at most, spread over all."""
        samples = torch.unique(self._samples)
        chosen = samples[:: max(8, len(samples) // most)]
        for index in chosen.split(PIECE):
            yield self._part.views.read(index, torch.zeros_like(index))

    def some(self, count: int) -> Batch | None:
        """Return a few samples, in views of which an answer is there; ``None`` where none is."""
        index, view = self._opened.some(count, seed=0)
        return self._part.views.read(index, view) if len(index) else None

    def close(self) -> None:
        """Write what waits to be written, and let go of the files."""
        if self.store is not None:
            self.flush()
            self.store.close()

    def _done(self, device: torch.device) -> bool:
        """Return whether all is there now; over several processes, once the first has written."""
        done = self._opened.complete if _first() else False
        if not apart():
            return done
        told = torch.tensor([int(done)], device=device)
        dist.broadcast(told, 0)
        return bool(told.item())

    def _reopen(self) -> None:
        """Read the complete cache from here on: no lock, no marks."""
        self._opened.close()
        self.store = Store.open(self.folder)

    def _about_data(self) -> dict[str, str]:
        return self._part.views.facts(self._roles)

    def _refuse_less(self, store: Store) -> None:
        if store.header.views < self.views:
            raise LimbeckError(
                f"The cache in {self.folder} has {store.header.views} views of each sample, and {self.views} are to "
                f"be read: ask for {store.header.views} or fewer, or build another."
            )
        samples = torch.unique(self._samples)
        store.places(samples, torch.zeros_like(samples))


def _first() -> bool:
    return not apart() or dist.get_rank() == 0


def _wait() -> None:
    if apart():
        dist.barrier()
