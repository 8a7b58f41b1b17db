"""The cache of a run's teachers: how many views of a sample it keeps, where it lies, and what it saved."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limbeck.cache import Store
from limbeck.data.part import Part
from limbeck.errors import LimbeckError
from limbeck.recipes.course import Course
from limbeck.tasks import Task
from limbeck.teachers import Cached
from limbeck.teachers.known import about_scale, about_teacher
from limbeck.teachers.panel import known_by
from limbeck.teachers.shelf import HEADER, Shelf
from limbeck.train import Feed, Run

if TYPE_CHECKING:
    from limbeck.recipes.config import DistillConfig

VIEW_SEED = "view seed"


@dataclass(frozen=True)
class Caching:
    """What a run keeps of its teachers' answers.

    Args:
        views: of each sample; later epochs see them again.
        seed: of the views, the same for all students, so that what one asked serves the others.
        folder: of the cache; a folder for each teacher inside the run unless told.
    """

    views: int
    seed: int
    folder: Path | None = None

    @classmethod
    def of(cls, config: "DistillConfig") -> "Caching | None":
        """Return what a run is to keep; ``None`` where it asks its teachers at every step.

        Args:
            config: of the run.

        Raises:
            LimbeckError: a new cache without the number of views; a folder that holds none.
        """
        if config.cache is None:
            return None if config.cache_views is None else cls(config.cache_views, config.train.seed)
        folder = Path(config.cache)
        if (folder / HEADER).exists():
            with Store.open(folder) as store:
                found = store.header
            seed = found.about.get(VIEW_SEED, "")
            seed_of_views = int(seed) if seed.lstrip("-").isdecimal() else config.train.seed
            return cls(config.cache_views or found.views, seed_of_views, folder)
        if config.cache_views is None:
            raise LimbeckError(
                f"There is no cache in {folder} yet: say how many views of each sample it is to keep, as in "
                "--cache-views 4."
            )
        return cls(config.cache_views, config.train.seed, folder)

    def open(self, teacher: Cached, course: Course, feed: Feed, run: Path) -> Feed:
        """Open the cache of a course's teacher for one training; return what that is to read.

        Args:
            teacher: the course's.
            course: says which inputs it reads and about which samples it is asked.
            feed: what the training reads.
            run: folder of the run.
        """
        folder = self.folder or run / "cache" / known_by(teacher.teacher)[:12]
        folder.parent.mkdir(parents=True, exist_ok=True)
        roles = heard(course)
        teacher.open(folder, feed.train, roles, course.asked_about)
        return self._sparing(teacher, feed, roles)

    def _sparing(self, teacher: Cached, feed: Feed, roles: tuple[str, ...]) -> Feed:
        """Return the feed without the teacher's inputs, as soon as every answer is there."""
        part = feed.train
        if teacher.full:
            return replace(feed, train=replace(part, spared=roles))  # type: ignore[type-var]
        if isinstance(part, Part):  # after V epochs; a mixture's passes end within epochs
            return replace(feed, train=replace(part, spared=roles, spared_from=self.views))
        return feed

    def refuse(self, course: Course, feed: Feed, task: Task) -> None:
        """Refuse a cache that cannot serve a training, before anything is trained.

        Args:
            course: as it is rehearsed: its teacher may not have been trained yet.
            feed: what the training reads.
            task: that the answers are for.

        Raises:
            LimbeckError: a cache of other data, draws, inputs or scale; one of another teacher, where this one came
                with weights.
        """
        teacher = course.teacher
        if self.folder is None or not isinstance(teacher, Cached):
            return
        shelf = Shelf(self.folder, feed.train, heard(course), course.asked_about)
        if not shelf.exists:
            return
        known = about_teacher(teacher.teacher) if course.teacher_has_weights else {}
        known |= about_scale(task)
        known.pop("teacher precision", None)  # chosen by evidence, later
        shelf.refuse_other(known, partly=True)


@contextmanager
def served(caching: Caching | None, course: Course, feed: Feed, run: Path) -> Iterator[Feed]:
    """Yield what a training reads, with its teacher's answers kept where they are to be.

    Args:
        caching: what is to be kept, if anything is.
        course: of the training.
        feed: what it would read without.
        run: folder of the run.
    """
    teacher = course.teacher
    if caching is None or not isinstance(teacher, Cached):
        yield feed
        return
    try:
        yield caching.open(teacher, course, feed, run)
    finally:
        teacher.close()


def heard(course: Course) -> tuple[str, ...]:
    """Return the roles of a course's inputs that its teacher reads."""
    return tuple(role for role in course.inputs if role != "student")


def note_cache(extra: dict[str, Any], key: str, course: Course, run: Run) -> None:
    """Add to the record what a training read from its cache, and what of it the teacher had to be run for.

    Args:
        extra: entries of the record; ``caches`` is changed.
        key: of the network that learnt.
        course: what it went through, its cache still open.
        run: how that went.
    """
    teacher = course.teacher
    if not isinstance(teacher, Cached) or teacher.store is None:
        return
    entries = extra.setdefault("caches", [])
    entry = next((each for each in entries if each["network"] == key), None)
    if entry is None:
        entry = {"network": key, "views": teacher.store.header.views, "answers": 0, "forwards": 0}
        entries.append(entry)
    entry["answers"] += run.teacher_answers
    entry["forwards"] += run.teacher_forwards
    entry["bytes_per_view"] = teacher.store.bytes_per_view
    if teacher.compared.count:
        entry.setdefault("kl", teacher.compared.kl)
