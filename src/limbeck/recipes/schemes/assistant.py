"""Teacher, assistants, student: a chain."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from limbeck.errors import LimbeckError
from limbeck.recipes.schemes.base import MANY, SchemeRecipe
from limbeck.recipes.tutor import Tutor

if TYPE_CHECKING:
    from limbeck.recipes.config import DistillConfig
    from limbeck.recipes.job import Job


class AssistantRecipe(SchemeRecipe):
    """Networks of sizes between teacher and student are distilled one from the other, the student from the last."""

    title: ClassVar[str] = "assistant"
    paper: ClassVar[str] = "TAKD, Mirzadeh 2020, arXiv 1902.03393"
    situation: ClassVar[str] = "the teacher is very much larger than the student"
    successive: ClassVar[bool] = True
    teachers: ClassVar[tuple[int, int]] = (1, MANY)

    name: Literal["Assistant"] = "Assistant"
    assistants: list[str] = Field(default_factory=list)
    """Specs of the assistants, from the teacher's size down to the student's; one that comes with weights learns on."""

    def refuse(self, config: "DistillConfig") -> None:
        """Refuse a chain without a link."""
        super().refuse(config)
        if not self.assistants:
            raise LimbeckError(
                "Assistant needs networks between teacher and student: name them from large to small, as in "
                "--set 'scheme.assistants=[cnn:16-32]'."
            )

    def taught_by(self, config: "DistillConfig") -> str:
        """Return the name of the last assistant."""
        return f"assistant-{len(self.assistants)}"

    def tutor(self, job: "Job") -> Tutor:
        """Return the last assistant; all are distilled once, with the run's first seed."""
        before = super().tutor(job)
        assert before is not None
        for number, spec in enumerate(self.assistants, start=1):
            seed, key = job.seeds[0], f"assistant-{number}"
            course = self.course(job, job.candidate(spec, "assistant").open(seed), before, seed)
            run = job.fit(key, course)
            job.measure(key, "assistant", course.model, run, "student", stage=number - 1)
            job.keep(key, course.model)
            before = Tutor(job.frozen(course.model), {"teacher": course.model.inputs}, before.trained_here)
        return before
