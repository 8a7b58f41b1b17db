"""Generations of one architecture, each taught by the last."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from limbeck.models import Model
from limbeck.recipes.course import Course
from limbeck.recipes.schemes.base import SchemeRecipe
from limbeck.recipes.tutor import Tutor
from limbeck.schemes import Supervised
from limbeck.teachers import Ensemble
from limbeck.train import Stage

if TYPE_CHECKING:
    from limbeck.recipes.config import DistillConfig
    from limbeck.recipes.job import Job

APART = 1000
"""Between the seeds of the first weights of two generations."""


class BornAgainRecipe(SchemeRecipe):
    """A network teaches a fresh one of its own kind, which teaches the next; each gets the whole budget."""

    title: ClassVar[str] = "born again"
    paper: ClassVar[str] = "BAN, Furlanello 2018, arXiv 1805.04770"
    situation: ClassVar[str] = "the same architecture, as accurate as time allows, no teacher"
    successive: ClassVar[bool] = True
    teachers: ClassVar[tuple[int, int]] = (0, 1)
    one_teacher: ClassVar[bool] = False

    name: Literal["BornAgain"] = "BornAgain"
    generations: int = Field(default=1, ge=1, le=20)
    """Students after the first network, which learns from the labels alone."""
    ensemble: bool = False
    """Measure all generations together, too."""

    def train_student(self, job: "Job", tutor: Tutor | None, seed: int) -> Model:
        """Train one generation after the other; the last is the student."""
        before, older = tutor or self._first(job, seed), []
        members = []
        for number in range(1, self.generations + 1):
            last = number == self.generations
            model = job.student.open(seed + APART * (number - 1))
            course = self.course(job, model, before, seed)
            key = "student" if last else f"generation-{number}"
            run = job.fit(key, course, seed)
            role = "student" if last else "generation"
            job.measure(key, role, course.model, run, "student", stage=0 if last else number)
            older.append(before)
            members.append(key)
            before = Tutor(job.frozen(course.model), {"teacher": course.model.inputs})
        if self.ensemble:
            self._together(job, [*older, before], members)
        return course.model

    def taught_by(self, config: "DistillConfig") -> str:
        """Return what the last generation before the student is kept as; a teacher given taught the first student."""
        return "teacher" if config.teacher and self.generations == 1 else "generation"

    def taught(self, job: "Job", tutor: Tutor | None, seed: int) -> Tutor | None:
        """Return the generation before the student, and keep it."""
        if self.taught_by(job.config) == "teacher":
            return tutor
        keys = [
            f"generation-{self.generations - 1}-{seed}",
            f"alone-{seed}",
        ]  # the first may be the student alone
        model = next(job.trained[each] for each in keys if each in job.trained)
        job.keep("generation", model)
        return Tutor(job.frozen(model), {"teacher": model.inputs})

    def _first(self, job: "Job", seed: int) -> Tutor:
        """Return the generation that has no teacher: the student alone, where that was trained."""
        model = job.trained.get(f"alone-{seed}")
        if model is not None and seed == job.seeds[0]:
            job.notes.append("The student trained alone is the first generation, which teaches the next.")
        if model is None:
            model = job.student.open(seed)
            module = model.module
            course = Course(
                [Stage("alone", lambda: Supervised(module, job.task))], model, {"student": model.inputs}
            )
            run = job.fit("generation-0", course, seed)
            job.measure("generation-0", "generation", model, run, "student")
        return Tutor(job.frozen(model), {"teacher": model.inputs})

    def _together(self, job: "Job", tutors: Sequence[Tutor], members: Sequence[str]) -> None:
        ensemble = Tutor(Ensemble([each.teacher for each in tutors]), tutors[0].inputs)
        first = "teacher" if job.teachers else "alone" if job.config.alone else "generation-0"
        number = self.generations + 1
        job.measure_together("generations", "generation", ensemble, [first, *members], number)
