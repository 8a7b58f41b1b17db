"""What one student goes through."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from limbeck.models import Model
from limbeck.models.model import Inputs
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
    """

    stages: Sequence[Stage]
    model: Model
    inputs: Mapping[str, Inputs]
    feed: Callable[[], Feed] | None = None
    augment: str | Mapping[str, str] | None = None
    plan: Plan | None = None
    role: str = "student"
