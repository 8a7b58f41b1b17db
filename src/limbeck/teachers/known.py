"""By what a teacher is known again, fact by fact."""

from typing import Any

from limbeck.errors import LimbeckError
from limbeck.tasks import Regression, Task
from limbeck.teachers.base import Teacher


def about_teacher(teacher: Teacher, task: Task | None = None) -> dict[str, str]:
    """Return what a cache of a teacher's answers must know it by, each fact apart where the teacher tells them apart.

    Args:
        teacher: any teacher; one with ``facts()`` is asked for them, else for its ``fingerprint()``.
        task: that the answers are for, which may have a scale of its own; not told unless given.

    Raises:
        LimbeckError: a teacher without either, which may change unseen.

    Example:
        >>> from torch import nn
        >>> from limbeck import Frozen
        >>> sorted(about_teacher(Frozen(nn.Linear(2, 2), precision="fp32")))
        ['teacher precision', 'teacher weights']
    """
    scale = about_scale(task)
    facts, fingerprint = getattr(teacher, "facts", None), getattr(teacher, "fingerprint", None)
    if facts is not None:
        return {**facts(), **scale}
    if fingerprint is not None:
        return {"teacher": str(fingerprint()), **scale}
    raise LimbeckError(
        f"{type(teacher).__name__} has no fingerprint, so a cache could not tell whether it has changed: give it a "
        "method fingerprint() that returns a text, or ask it at every step."
    )


def about_scale(task: Task | None) -> dict[str, str]:
    """Return what values are measured in, where a task has a scale of its own.

    Args:
        task: that the answers are for.

    Example:
        >>> about_scale(Regression(mean=10.0, std=2.0))
        {'scale of values': 'mean 10, std 2'}
    """
    return (
        {"scale of values": f"mean {task.mean:.6g}, std {task.std:.6g}"}
        if isinstance(task, Regression)
        else {}
    )


def undecided(teacher: Any) -> bool:
    """Return whether a teacher, or one of those it is made of, chooses its precision at the first batch.

    Example:
        >>> from torch import nn
        >>> from limbeck import Frozen
        >>> undecided(Frozen(nn.Linear(2, 2))), undecided(Frozen(nn.Linear(2, 2), precision="fp32"))
        (True, False)
    """
    inner = (*getattr(teacher, "teachers", ()), getattr(teacher, "teacher", None))
    return (hasattr(teacher, "precision") and teacher.precision is None) or any(
        undecided(each) for each in inner if each is not None
    )
