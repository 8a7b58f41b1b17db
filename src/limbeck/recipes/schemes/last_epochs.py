"""A network taught by its own late snapshot."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from torch import nn

from limbeck.recipes.schemes.self_taught import SelfTaughtRecipe, labels_weight
from limbeck.schemes import LastEpochs, Scheme, Term

if TYPE_CHECKING:
    from limbeck.recipes.job import Job


class LastEpochsRecipe(SelfTaughtRecipe):
    """A snapshot of the student, taken late in training, teaches it for the epochs that remain."""

    title: ClassVar[str] = "last epochs"
    paper: ClassVar[str] = "self-distillation in one training; cf. Yang 2019, arXiv 1812.00123"
    situation: ClassVar[str] = "no teacher, and no time to train one"

    name: Literal["LastEpochs"] = "LastEpochs"
    start: float = Field(default=0.7, gt=0, lt=1)
    """Share of the training after which the snapshot teaches."""

    def own(self, network: nn.Module, terms: Sequence[Term] | None, job: "Job") -> Scheme:
        """Return one training with a snapshot late in it."""
        return LastEpochs(network, terms, job.task, start=self.start, **labels_weight(job))
