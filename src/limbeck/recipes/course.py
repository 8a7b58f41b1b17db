"""What one student goes through."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from limbeck.models import Model
from limbeck.models.model import Inputs
from limbeck.teachers import Teacher
from limbeck.train import Feed, Plan, Stage


@dataclass(frozen=True)
class Course:
    """The trainings of one student, in order, on one transfer set.

    Args:
        stages: trainings that share the plan's epochs.
        model: what is shipped when they are over.
        inputs: what each network wants to be fed, by role; all look at the same views.
        feed: gives what is read; the run's transfer set unless told.
        augment: augmentation of the transfer set; the run's unless told.
        plan: how long and how; the run's unless told.
        role: which of the inputs the shipped model reads.
        teacher: who teaches in it, where that is one teacher that does not change.
        asked_about: (M,) int64, the samples that this one is asked about; all that are read unless told.
        teacher_has_weights: whether it came with weights, so that it is known before anything is trained.
    """

    stages: Sequence[Stage]
    model: Model
    inputs: Mapping[str, Inputs]
    feed: Callable[[], Feed] | None = None
    augment: str | Mapping[str, str] | None = None
    plan: Plan | None = None
    role: str = "student"
    teacher: Teacher | None = None
    asked_about: Tensor | None = None
    teacher_has_weights: bool = False


def named(key: str, seed: int | None) -> str:
    """Return what a training's checkpoints are called.

    Example:
        >>> named("student", 3), named("teacher", None)
        ('student-3', 'teacher')
    """
    return key if seed is None else f"{key}-{seed}"
