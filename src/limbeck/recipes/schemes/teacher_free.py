"""A virtual teacher that is always right."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from torch import nn

from limbeck.recipes.schemes.self_taught import SelfTaughtRecipe, labels_weight
from limbeck.schemes import Scheme, TeacherFree, Term

if TYPE_CHECKING:
    from limbeck.recipes.job import Job


class TeacherFreeRecipe(SelfTaughtRecipe):
    """A virtual teacher, right with a fixed probability, softens the labels; no network teaches."""

    title: ClassVar[str] = "teacher-free"
    paper: ClassVar[str] = "Tf-KD, Yuan 2020, arXiv 1909.11723"
    situation: ClassVar[str] = "no teacher, and nothing more may be spent"
    mixes: ClassVar[bool] = False

    name: Literal["TeacherFree"] = "TeacherFree"
    probability: float = Field(default=0.99, gt=0, lt=1)
    """What the virtual teacher gives to the label."""

    def own(self, network: nn.Module, terms: Sequence[Term] | None, job: "Job") -> Scheme:
        """Return training on softened labels."""
        return TeacherFree(network, terms, job.task, probability=self.probability, **labels_weight(job))
