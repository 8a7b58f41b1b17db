"""Targets that mix the label with what the network itself said an epoch ago."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from torch import nn

from limbeck.errors import LimbeckError
from limbeck.recipes.schemes.self_taught import SelfTaughtRecipe
from limbeck.schemes import Progressive, Scheme, Term

if TYPE_CHECKING:
    from limbeck.recipes.config import DistillConfig
    from limbeck.recipes.job import Job


class ProgressiveRecipe(SelfTaughtRecipe):
    """Targets mix the label with what the student itself predicted an epoch ago, more of it every epoch."""

    title: ClassVar[str] = "progressive"
    paper: ClassVar[str] = "PS-KD, Kim 2021, arXiv 2006.12000"
    situation: ClassVar[str] = "no teacher; labels that deserve to be softened"

    name: Literal["Progressive"] = "Progressive"
    weight: float = Field(default=0.8, ge=0, le=1)
    """Share of the own prediction in the last epoch's targets."""

    def refuse(self, config: "DistillConfig") -> None:
        """Refuse a training without a last epoch to learn from, and a second weight of the labels."""
        super().refuse(config)
        if config.kd.task_weight is not None:
            raise LimbeckError(
                "Progressive gives the labels what its own predictions leave them, so task_weight weighs nothing: "
                "leave it out, or set scheme.weight."
            )
        if config.train.epochs < 2:
            raise LimbeckError(
                "Progressive learns from the epoch before, so it needs at least 2: raise train.epochs."
            )

    def own(self, network: nn.Module, terms: Sequence[Term] | None, job: "Job") -> Scheme:
        """Return training on its own softened targets."""
        return Progressive(network, terms, job.task, weight=self.weight)
