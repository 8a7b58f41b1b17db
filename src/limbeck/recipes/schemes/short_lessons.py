"""A teacher that stopped early, and lessons that end early."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from torch import nn

from limbeck.errors import LimbeckError
from limbeck.recipes.schemes.base import MANY, SchemeRecipe
from limbeck.schemes import Scheme, ShortLessons, Term
from limbeck.schemes.schedule import Schedule
from limbeck.tasks import Task
from limbeck.teachers import Teacher

if TYPE_CHECKING:
    from limbeck.recipes.job import Job
    from limbeck.recipes.tutor import Tutor


class ShortLessonsRecipe(SchemeRecipe):
    """The teacher speaks in the first part of the training only; one trained here may stop early, too."""

    title: ClassVar[str] = "short lessons"
    paper: ClassVar[str] = "Cho & Hariharan 2019, arXiv 1910.01348"
    situation: ClassVar[str] = "the student is too small to follow its teacher to the end"
    teachers: ClassVar[tuple[int, int]] = (1, MANY)

    name: Literal["ShortLessons"] = "ShortLessons"
    until: float = Field(default=0.5, gt=0, lt=1)
    """Share of the student's training after which the labels alone remain."""
    teacher_share: float = Field(default=1.0, gt=0, le=1)
    """Share of its epochs for which a teacher that comes without weights is trained."""

    def arranged(self, job: "Job") -> "Job":
        """Return the run with its teacher's training shortened."""
        plan = job.config.teacher_train or job.config.train
        epochs = max(1, round(self.teacher_share * plan.epochs))
        if epochs == plan.epochs:
            return job
        short = plan.model_copy(update={"epochs": epochs})
        return replace(job, config=job.config.model_copy(update={"teacher_train": short}))

    def tutor(self, job: "Job") -> "Tutor | None":
        """Return the teacher, which must be trained here where its training is to be shortened."""
        found = super().tutor(job)
        if self.teacher_share < 1 and found is not None and not found.trained_here:
            raise LimbeckError(
                "The teacher comes with its weights, so scheme.teacher_share has no training to shorten: leave it out, "
                "or give a teacher that this run trains."
            )
        return found

    def scheme(
        self,
        student: nn.Module,
        teacher: Teacher,
        terms: Sequence[Term],
        task: Task,
        task_weight: float | Schedule | None,
    ) -> Scheme:
        """Return the scheme whose lessons end early."""
        if task_weight is None:
            raise LimbeckError("After short lessons the student has its labels alone: give task_weight.")
        return ShortLessons(student, teacher, terms, task, task_weight, self.until)
