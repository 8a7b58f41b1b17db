"""The teacher guards heavy augmentation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field
from torch import nn

from limbeck.errors import LimbeckError
from limbeck.models import Model
from limbeck.recipes.course import Course
from limbeck.recipes.schemes.base import MANY, SchemeRecipe
from limbeck.schemes import AugmentationByTeacher, Scheme, Term
from limbeck.schemes.schedule import Schedule
from limbeck.tasks import Task
from limbeck.teachers import Teacher

if TYPE_CHECKING:
    from limbeck.recipes.job import Job
    from limbeck.recipes.tutor import Tutor


class AugmentationByTeacherRecipe(SchemeRecipe):
    """Heavy augmentation, on which the teacher's soft label stands in for a label that no longer holds."""

    title: ClassVar[str] = "augmentation by teacher"
    paper: ClassVar[str] = "Wei 2020, arXiv 2003.11342"
    situation: ClassVar[str] = "little data, and augmentation so strong that some draws lose the object"
    mixes: ClassVar[bool] = False
    teachers: ClassVar[tuple[int, int]] = (1, MANY)
    usual: ClassVar[Mapping[str, Any]] = {
        "loss": "KD",
        "temperature": 1.0,
        "task_weight": 1.0,
        "kd_weight": 1.0,
    }

    name: Literal["AugmentationByTeacher"] = "AugmentationByTeacher"
    heavy: str = "randaugment"
    """Augmentation of the transfer set, for the student alone too; a teacher trained here sees `augment`."""
    recognised: float | None = Field(default=None, ge=0, le=1)
    """Least probability of the label at which the hard label counts; unless told, where it is the teacher's first."""

    def course(self, job: "Job", model: Model, tutor: "Tutor | None", seed: int) -> Course:
        """Return the training under heavy augmentation."""
        return replace(super().course(job, model, tutor, seed), augment=self.heavy)

    def augmentation(self) -> str | None:
        """Return the heavy augmentation, under which the student alone is trained too."""
        return self.heavy

    def scheme(
        self,
        student: nn.Module,
        teacher: Teacher,
        terms: Sequence[Term],
        task: Task,
        task_weight: float | Schedule | None,
    ) -> Scheme:
        """Return the scheme in which the teacher judges the draws."""
        if task_weight is None:
            raise LimbeckError("AugmentationByTeacher guards labels: give task_weight.")
        return AugmentationByTeacher(student, teacher, terms, task, task_weight, self.recognised)
