"""Several teachers asked about the same batch."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.tasks import Task
from limbeck.teachers.base import Teacher
from limbeck.types import Batch, Outputs


class Panel(ABC):
    """What teachers made of teachers share: asking each, counting, naming their layers.

    Args:
        teachers: any teachers, each of which may read inputs of its own (``Frozen(model, role="teacher 2")``).

    Raises:
        LimbeckError: no teachers; something that is no teacher.
    """

    def __init__(self, teachers: Sequence[Teacher]):
        self.teachers = tuple(checked_teachers(type(self).__name__, teachers))
        self.forwards = 0

    def _ask(
        self, batches: Sequence[Batch], task: Task, names: Sequence[str]
    ) -> tuple[list[Tensor], dict[str, Any]]:
        """Return every teacher's first output for its batch, and the layers named, ``2/layer3`` the second's."""
        wanted = self._by_teacher(task, names)
        answers: list[Tensor] = []
        layers: dict[str, Any] = {}
        for number, (teacher, batch) in enumerate(zip(self.teachers, batches, strict=True), start=1):
            outputs = asked(self, teacher, batch, task, wanted[number])
            answers.append(outputs[task.outputs[0]])
            layers |= {f"{number}/{name}": outputs[name] for name in wanted[number]}
        return answers, layers

    @abstractmethod
    def __call__(self, batch: Batch, task: Task | None = None, names: Sequence[str] = ()) -> Outputs:
        """Return one answer for ``batch`` (see :class:`limbeck.teachers.Teacher`)."""

    def _by_teacher(self, task: Task, names: Sequence[str]) -> dict[int, list[str]]:
        """Return the names asked of each teacher, by its number from 1."""
        wanted: dict[int, list[str]] = {number: [] for number in range(1, len(self.teachers) + 1)}
        for name in names:
            if name in task.outputs:
                continue
            number, slash, layer = name.partition("/")
            if not (slash and layer and number.isdecimal() and int(number) in wanted):
                raise LimbeckError(
                    f"{type(self).__name__} has no layer {name!r} of its own: name the teacher and its layer, such as "
                    f"'1/{layer or name}' for the first of {len(self.teachers)}."
                )
            wanted[int(number)].append(layer)
        return wanted


def asked(by: Teacher, teacher: Teacher, batch: Batch, task: Task, names: Sequence[str] = ()) -> Outputs:
    """Return what ``teacher`` answers; the teacher ``by`` which it is asked counts what it counts.

    Args:
        by: the teacher made of others.
        teacher: one of those.
        batch: the samples.
        task: knows how a model is called.
        names: outputs wanted.
    """
    before = teacher.forwards
    outputs = teacher(batch, task, names)
    by.forwards += teacher.forwards - before
    return outputs


def checked_teachers(owner: str, teachers: Sequence[Teacher]) -> list[Teacher]:
    """Return ``teachers`` as a list, once each is known to be one.

    Args:
        owner: who asks them, for the message.
        teachers: what was given.

    Raises:
        LimbeckError: none; no list; something that is no teacher.
    """
    given: Any = teachers
    if isinstance(given, Teacher) or not isinstance(given, Sequence):
        raise LimbeckError(f"{owner} takes a list of teachers: put {type(given).__name__}(…) into brackets.")
    if not teachers:
        raise LimbeckError(f"{owner} needs at least one teacher, such as limbeck.Frozen(model).")
    for number, each in enumerate(teachers, start=1):
        if not isinstance(each, Teacher):
            raise LimbeckError(
                f"{owner} was given a {type(each).__name__} as teacher {number}: wrap a network in "
                "limbeck.Frozen(model) and anything that predicts in limbeck.Predictor(estimator)."
            )
    return list(teachers)


def known_by(teacher: Teacher) -> str:
    """Return by what a teacher is known again: its fingerprint, or its class where it has none.

    Example:
        >>> from limbeck.teachers import Predictor
        >>> known_by(Predictor(lambda rows: rows))
        'Predictor'
    """
    fingerprint = getattr(teacher, "fingerprint", None)
    return str(fingerprint()) if fingerprint else type(teacher).__name__
