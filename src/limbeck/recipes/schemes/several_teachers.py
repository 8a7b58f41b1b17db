"""Several teachers answer as one."""

from typing import TYPE_CHECKING, ClassVar, Literal

from limbeck.recipes.schemes.base import MANY, SchemeRecipe
from limbeck.recipes.together import ensemble
from limbeck.recipes.tutor import Tutor

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
        """Return the teachers as one."""
        return ensemble(job, self.combine, self.weights)
