"""Hints first, then distillation."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from limbeck.errors import LimbeckError
from limbeck.recipes.schemes.base import SchemeRecipe

if TYPE_CHECKING:
    from limbeck.recipes.config import DistillConfig


class HintsRecipe(SchemeRecipe):
    """The student learns up to its guided layer from the teacher's hints, then all of it is distilled."""

    title: ClassVar[str] = "hints then distillation"
    paper: ClassVar[str] = "FitNets, Romero 2015, arXiv 1412.6550"
    situation: ClassVar[str] = "a thin and deep student that is hard to train"
    usual: ClassVar[Mapping[str, Any]] = {"loss": "FitNets"}

    name: Literal["HintsThenDistillation"] = "HintsThenDistillation"

    def refuse(self, config: "DistillConfig") -> None:
        """Refuse a loss that has no first stage."""
        super().refuse(config)
        kd = config.kd if config.kd.loss else self.knowledge(config.kd)
        if not kd.staged():
            raise LimbeckError(
                f"HintsThenDistillation begins with a stage of its own, but {kd.taught().loss} has none: name a "
                "loss with a first stage, such as FitNets, or choose the scheme Offline."
            )
