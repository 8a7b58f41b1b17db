"""A teacher that is asked once about each view of each sample, and answers from what was kept ever after."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from limbeck.cache import Layout, Store
from limbeck.data.part import TrainingPart
from limbeck.data.source import digest
from limbeck.errors import LimbeckError
from limbeck.tasks import Classification, Task
from limbeck.teachers.base import Teacher
from limbeck.teachers.known import about_teacher, undecided
from limbeck.teachers.panel import asked, checked_teachers, known_by
from limbeck.teachers.recomputed import Comparison, compare, layouts_for
from limbeck.teachers.shelf import Shelf
from limbeck.types import Batch, Outputs

COMPARED = 1024
"""Answers that are compared with what is kept of them, while a cache is filled."""
LEARNT_FROM = 2048
"""At most so many answers, an eighth of those to come, show a layout what the teacher usually says."""
RECOMPUTED = 8
"""Answers found in a cache that are asked for again, before anything is learnt from it."""


class Cached:
    """A teacher whose answers are kept on disk, by sample and view: filled while training goes on, then only read.

    A view is one augmentation draw of a sample, and a function of (seed, sample, view) alone, so an answer that was
    kept is right for that draw whatever batch, order, worker or process it is asked in. The student learns from what
    is kept on the filling pass too: a training that was interrupted sees the targets of one that never was.

    Definition:
        With V = ``part.cycle`` views of each sample, the first time that (sample, view) is asked about, the teacher
        is run, its answer is written by a :class:`limbeck.cache.Layout` and read back; from then on it is only read.
        The cache belongs to the teacher's weights and precision, what it is fed, the data, the augmentation and its
        seed: where any of them is another, it is refused, and a few answers are asked for again and compared first.

    Layers are kept where they are vectors (N, D): the input of a classifier, say. Over several processes the first one
    writes what all of them were told, so they need one file system.

    Args:
        teacher: any teacher whose answers do not change.
        folder: of the cache; made where there is none. Without one, see :meth:`open`.
        part: what will be read, with ``cycle`` set.
        roles: the inputs that the teacher reads.
        layouts: how answers are kept, by name; by their size unless told (:func:`limbeck.cache.suitable_layout`).

    Raises:
        LimbeckError: no teacher; a part without ``cycle``; a cache of something else, or a damaged one; at a batch, one
            that does not say which samples and views it has, a layer that is no vector or that the cache lacks.

    Example:
        >>> import tempfile
        >>> from limbeck import Frozen
        >>> from limbeck.data import Views, open_data
        >>> from limbeck.data.loader import Loader, Part
        >>> data = open_data("digits")
        >>> part = Part(Views.plain(data, lambda images: images.float()), data.train, cycle=1)
        >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
        >>> with Cached(Frozen(network), tempfile.mkdtemp() + "/cache", part) as teacher:
        ...     for _ in range(2):
        ...         logits = [teacher(batch)["logits"] for batch in Loader(part, 256)]
        >>> teacher.answers, teacher.forwards
        (2300, 1150)
    """

    def __init__(
        self,
        teacher: Teacher,
        folder: str | Path | None = None,
        part: TrainingPart | None = None,
        *,
        roles: Sequence[str] = ("teacher",),
        layouts: Mapping[str, Layout] | None = None,
    ):
        self.teacher = checked_teachers("Cached", [teacher])[0]
        self.layouts: dict[str, Layout] = dict(layouts or {})
        self.forwards = 0
        self.answers = 0
        self.compared = Comparison()
        self._names: tuple[str, ...] = ()
        self._scalars: set[str] = set()
        self._shelf: Shelf | None = None
        self._ready = False
        if folder is not None:
            if part is None:
                raise LimbeckError("Cached needs to know what will be read: give it the training part.")
            self.open(folder, part, roles)

    def open(
        self,
        folder: str | Path,
        part: TrainingPart,
        roles: Sequence[str] = ("teacher",),
        samples: Tensor | None = None,
    ) -> None:
        """Keep answers in ``folder``, or read those that are there.

        Before this, every answer is asked for anew, and given as it would be kept.

        Args:
            folder: of the cache.
            part: what will be read, with ``cycle`` set.
            roles: the inputs that the teacher reads.
            samples: (M,) int64, those it will be asked about; all of the part unless told.

        Raises:
            LimbeckError: a part without ``cycle``; a cache of something else.
        """
        self.close()
        self._shelf = Shelf(Path(folder), part, tuple(roles), samples)
        self._ready, self._names = False, ()
        if self._shelf.exists and not undecided(self.teacher):
            self._shelf.refuse_other(about_teacher(self.teacher), partly=True)

    @property
    def store(self) -> Store | None:
        """Where answers are kept, once there is any."""
        return self._shelf.store if self._shelf is not None else None

    @property
    def full(self) -> bool:
        """Whether every answer is there already."""
        return self._shelf is not None and self._shelf.full

    @property
    def model(self) -> Any:
        """The network that the teacher runs, where it is one."""
        return getattr(self.teacher, "model", None)

    def lacking(self, index: Tensor, view: Tensor) -> Tensor:
        """Return which answers are not there yet.

        Args:
            index: (N,) int64, samples.
            view: (N,) int64, of each.

        Returns:
            (N,) bool.
        """
        if self._shelf is None or not self._shelf.exists:
            return torch.ones_like(index, dtype=torch.bool)
        return self._shelf.lacking(index, view)

    def __call__(self, batch: Batch, task: Task | None = None, names: Sequence[str] = ()) -> Outputs:
        """Return the outputs for ``batch`` (see :class:`limbeck.teachers.Teacher`), as they are kept."""
        task = task or Classification()
        wanted = (task.outputs[0], *(each for each in names if each not in task.outputs))
        labels = _labels(task, batch)
        self.answers += len(batch)
        if self._shelf is None:
            said = self._decoded(self._encoded(self._asked(batch, task, wanted), wanted, labels), labels)
        else:
            said = self._kept(self._shelf, batch, task, wanted, labels)
        return Outputs({name: each[:, 0] if name in self._scalars else each for name, each in said.items()})

    def fingerprint(self) -> str:
        """Return a SHA-256 of the teacher and how many views of a sample are kept."""
        views = "" if self._shelf is None else str(self._shelf.views)
        return digest(["Cached", known_by(self.teacher), views])

    def flush(self) -> None:
        """Write what waits to be written: the loop does, before each checkpoint."""
        if self._shelf is not None:
            self._shelf.flush()

    def close(self) -> None:
        """Write what waits to be written and let go of the files, so that another process may go on filling."""
        if self._shelf is not None:
            self._shelf.close()

    def __enter__(self) -> "Cached":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _kept(
        self, shelf: Shelf, batch: Batch, task: Task, wanted: tuple[str, ...], labels: Tensor | None
    ) -> dict[str, Tensor]:
        """Return what is kept of each answer, on the batch's device."""
        if batch.index is None or batch.view is None:
            raise LimbeckError("This batch does not tell samples and views: read it with limbeck.data.Views.")
        live = None if self._ready else self._begin(shelf, batch, task, wanted)
        self._refuse_other_names(wanted)
        if shelf.complete:
            return shelf.kept(wanted, batch.index, batch.view, labels)
        device, places = batch.index.device, shelf.places(batch.index, batch.view)
        there = shelf.present(places)
        known = int(there.count_nonzero())
        rows: dict[str, Tensor] = {}
        if known < len(places):
            live = live or self._asked(batch, task, self._names)
            rows = {name: each.cpu() for name, each in self._encoded(live, self._names, labels).items()}
            self._compare(live[task.outputs[0]], rows[task.outputs[0]], task, labels)
        if known:
            rows = shelf.completed(rows, places, there)
        shelf.write(places, rows, ~there if known else None, device)
        return self._decoded({name: rows[name].to(device) for name in wanted}, labels)

    def _decoded(self, rows: Mapping[str, Tensor], labels: Tensor | None) -> dict[str, Tensor]:
        return {name: self.layouts[name].decode(each, labels) for name, each in rows.items()}

    def _begin(self, shelf: Shelf, batch: Batch, task: Task, wanted: tuple[str, ...]) -> Outputs | None:
        """Open the cache, or make it for the first answers; return these where they were asked for."""
        live = None
        if shelf.exists:
            shelf.open()
            self.layouts, first = shelf.layouts, task.outputs[0]
            self._names = (first, *(each for each in shelf.layouts if each != first))
            self._refuse_other_names(wanted)
            self._recompute(shelf, task, _device(batch))
            shelf.refuse_other(about_teacher(self.teacher, task))
        else:
            live = self._asked(batch, task, wanted)
            self._encoded(live, wanted, None)
            self._learn(shelf, task, wanted[0], _device(batch))
            shelf.create(about_teacher(self.teacher, task), {name: self.layouts[name] for name in wanted})
            self.layouts = shelf.layouts
        self._ready = True
        return live

    def _learn(self, shelf: Shelf, task: Task, name: str, device: torch.device) -> None:
        """Let a layout that guesses what it does not keep learn from some answers what the teacher usually says."""
        fitted = getattr(self.layouts[name], "fitted", None)
        if fitted is None:
            return
        batches = (each.to(device) for each in shelf.examples(LEARNT_FROM))
        answers = [_flat(self._asked(each, task, (name,))[name]).cpu() for each in batches]
        self.layouts[name] = fitted(torch.cat(answers))

    def _asked(self, batch: Batch, task: Task, names: tuple[str, ...]) -> Outputs:
        return asked(self, self.teacher, batch, task, names[1:])

    def _encoded(self, live: Outputs, names: tuple[str, ...], labels: Tensor | None) -> dict[str, Tensor]:
        """Return answers as bytes; the first ones decide how."""
        if not self._names:
            self.layouts = layouts_for(live, names, self.layouts)
            self._names = names
        self._refuse_other_names(names)
        self._scalars = {name for name in names if live[name].dim() == 1}
        return {name: self.layouts[name].encode(_flat(live[name]), labels) for name in names}

    def _refuse_other_names(self, wanted: Sequence[str]) -> None:
        lacking = [name for name in wanted if name not in self._names]
        if self._names and lacking:
            where = f"The cache in {self._shelf.folder}" if self._shelf is not None else "A cache"
            raise LimbeckError(
                f"{where} keeps {', '.join(self._names)} of each answer, and {lacking[0]} is wanted too: fill another "
                "cache, in which all that is taught is asked for from the first step on, or go without one."
            )

    def _compare(self, live: Tensor, rows: Tensor, task: Task, labels: Tensor | None) -> None:
        """Measure, on the first answers that are kept, what is lost by keeping them."""
        if self.compared.count < COMPARED:
            layout = self.layouts[task.outputs[0]]
            kept = layout.decode(rows.to(live.device), labels)
            self.compared = self.compared.with_more(_flat(live), kept)

    @torch.no_grad()
    def _recompute(self, shelf: Shelf, task: Task, device: torch.device) -> None:
        """Ask for a few answers again and refuse a cache that says something else."""
        batch = shelf.some(RECOMPUTED)
        if batch is None:
            return
        batch, before = batch.to(device), self.teacher.forwards
        labels = _labels(task, batch)
        live = self.teacher(batch, task, self._names[1:])
        self.teacher.forwards = before  # looking is no teaching
        again = self._encoded(live, self._names, labels)
        assert batch.index is not None
        assert batch.view is not None
        places = shelf.places(batch.index, batch.view)
        for name, layout in self.layouts.items():
            kept = layout.decode(shelf.read(name, places).to(device), labels)
            compare(shelf.folder, name, kept, layout.decode(again[name], labels))
        first = task.outputs[0]
        kept = self.layouts[first].decode(shelf.read(first, places).to(device), labels)
        self.compared = self.compared.with_more(_flat(live[first]), kept)


def _labels(task: Task, batch: Batch) -> Tensor | None:
    """Return one class for each sample, where there is one: what some layouts keep a logit of."""
    labels = task.labels(batch)
    single = isinstance(labels, Tensor) and labels.dim() == 1 and not labels.is_floating_point()
    return labels if single else None


def _flat(answer: Tensor) -> Tensor:
    return answer[:, None] if answer.dim() == 1 else answer


def _device(batch: Batch) -> torch.device:
    assert batch.index is not None
    return batch.index.device
