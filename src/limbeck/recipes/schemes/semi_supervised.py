"""The teacher labels what has no label."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field
from torch import nn

from limbeck.models import Model
from limbeck.recipes.course import Course
from limbeck.recipes.schemes.base import MANY, SchemeRecipe
from limbeck.schemes import Scheme, SemiSupervised, Term
from limbeck.schemes.schedule import Schedule
from limbeck.tasks import Task
from limbeck.teachers import Teacher
from limbeck.train import Run

if TYPE_CHECKING:
    from limbeck.recipes.job import Job
    from limbeck.recipes.tutor import Tutor


class SemiSupervisedRecipe(SchemeRecipe):
    """The teacher labels the samples that have no label, mixed with labelled ones in every batch.

    Soft labels unless told; `--loss HardDistillation` takes the teacher's classes (pseudo-labels).
    """

    title: ClassVar[str] = "semi-supervised"
    paper: ClassVar[str] = "pseudo-labels, Lee 2013; Noisy Student, Xie 2020, arXiv 1911.04252"
    situation: ClassVar[str] = "few labels, many samples without, and a teacher"
    teachers: ClassVar[tuple[int, int]] = (1, MANY)
    needs_unlabelled: ClassVar[bool] = True
    usual: ClassVar[Mapping[str, Any]] = {
        "loss": "KD",
        "temperature": 1.0,
        "task_weight": 1.0,
        "kd_weight": 1.0,
    }

    name: Literal["SemiSupervised"] = "SemiSupervised"
    threshold: float | None = Field(default=None, ge=0, le=1)
    """Least confidence of the teacher at which a sample teaches; every sample does unless told."""
    teach: Literal["unlabelled", "all"] = "unlabelled"
    """Whether the teacher also speaks on labelled samples."""
    strong: str | None = None
    """Augmentation of what the student sees, where the teacher is to see the milder one of `augment`."""

    def course(self, job: "Job", model: Model, tutor: "Tutor | None", seed: int) -> Course:
        """Return the training on both kinds of samples."""
        course = super().course(job, model, tutor, seed)
        if self.teach == "unlabelled":
            course = replace(course, asked_about=job.data.unlabelled)
        if self.strong is None:
            return course
        weak = job.augmentation()
        drawn = {role: self.strong if role == "student" else weak for role in course.inputs}
        return replace(course, augment=drawn)

    def scheme(
        self,
        student: nn.Module,
        teacher: Teacher,
        terms: Sequence[Term],
        task: Task,
        task_weight: float | Schedule | None,
    ) -> Scheme:
        """Return the scheme in which the teacher labels."""
        return SemiSupervised(student, teacher, terms, task, task_weight, self.threshold, self.teach)

    def finished(self, job: "Job", key: str, course: Course, run: Run, seed: int) -> Model:
        """Measure the student; note how many samples the teacher was sure enough of."""
        kept = getattr(job.scheme, "kept", None) if key == "student" else None
        if kept is not None and self.threshold is not None:
            job.notes.append(
                f"Seed {seed}: the teacher was sure of {100 * kept:.1f} % of the samples without a label "
                f"(threshold {self.threshold:g})" + ("." if kept else ", so these taught nothing: lower it.")
            )
        return super().finished(job, key, course, run, seed)
