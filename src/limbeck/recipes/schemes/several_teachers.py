"""Several teachers answer as one."""

from typing import TYPE_CHECKING, ClassVar, Literal

from limbeck.recipes.schemes.base import MANY, SchemeRecipe
from limbeck.recipes.tutor import Tutor
from limbeck.teachers import Ensemble

if TYPE_CHECKING:
    from limbeck.recipes.job import Job


class SeveralTeachersRecipe(SchemeRecipe):
    """The student learns from an ensemble; each teacher may read images of its own size."""

    title: ClassVar[str] = "several teachers"
    paper: ClassVar[str] = "Hinton 2015, arXiv 1503.02531; oracle: Kang 2020, arXiv 1911.13019"
    situation: ClassVar[str] = "several models are there, and one that is as good as all of them is wanted"
    teachers: ClassVar[tuple[int, int]] = (2, MANY)
    one_teacher: ClassVar[bool] = False

    name: Literal["SeveralTeachers"] = "SeveralTeachers"
    combine: Literal["probabilities", "logits", "oracle"] = "probabilities"
    """What is averaged; `oracle` averages only the teachers that are right about a sample."""
    weights: list[float] | None = None
    """Of the teachers, in their order; equal unless told."""

    def tutor(self, job: "Job") -> Tutor:
        """Return the teachers as one, each measured by itself and all together."""
        keys = [f"teacher-{number}" for number in range(1, len(job.teachers) + 1)]
        tutors = [
            job.teacher(candidate, key, key.replace("-", " "), number)
            for number, (candidate, key) in enumerate(zip(job.teachers, keys, strict=True))
        ]
        together = Tutor(
            Ensemble([each.teacher for each in tutors], self.combine, self.weights),
            {role: inputs for each in tutors for role, inputs in each.inputs.items()},
            any(each.trained_here for each in tutors),
        )
        job.measure_together("teacher", "teacher", together, keys, len(keys))
        return together
