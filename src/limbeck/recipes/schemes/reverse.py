"""The student teaches the teacher."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from torch import nn

from limbeck.errors import LimbeckError
from limbeck.recipes.schemes.base import SchemeRecipe
from limbeck.schemes import Reverse, Scheme, Term
from limbeck.schemes.schedule import Schedule
from limbeck.tasks import Task
from limbeck.teachers import Teacher

if TYPE_CHECKING:
    from limbeck.recipes.config import DistillConfig
    from limbeck.recipes.job import Job


class ReverseRecipe(SchemeRecipe):
    """The student, smaller or poorer, teaches the teacher, which is the one that learns and is shipped."""

    title: ClassVar[str] = "reverse"
    paper: ClassVar[str] = "Re-KD, Yuan 2020, arXiv 1909.11723"
    situation: ClassVar[str] = "the large model itself is to become better, with a small one at hand"

    name: Literal["Reverse"] = "Reverse"

    def teacher_spec(self, config: "DistillConfig") -> tuple[str | None, str | None, bool, int | None]:
        """Return how the network that taught was named: the student."""
        return config.student, config.student_weights, config.student_pretrained, config.student_size

    def arranged(self, job: "Job") -> "Job":
        """Return the run with teacher and student in each other's place."""
        large, small = replace(job.teachers[0], role="student"), replace(job.student, role="teacher")
        job.notes.append("Reverse: the row of the teacher is the student's network, and the other way round.")
        return replace(job, teachers=[small], student=large)

    def scheme(
        self,
        student: nn.Module,
        teacher: Teacher,
        terms: Sequence[Term],
        task: Task,
        task_weight: float | Schedule | None,
    ) -> Scheme:
        """Return the scheme in which the large network learns from the small one."""
        if task_weight is None:
            raise LimbeckError(
                "Reverse has only a weaker network to learn from without labels: give task_weight."
            )
        return Reverse(student, teacher, terms, task, task_weight)
