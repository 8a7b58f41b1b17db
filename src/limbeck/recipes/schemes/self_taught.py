"""Networks that learn from themselves, without any other."""

import copy
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from torch import nn

from limbeck.models import Model
from limbeck.recipes.course import Course
from limbeck.recipes.knowledge import Knowledge
from limbeck.recipes.schemes.base import SchemeRecipe
from limbeck.recipes.schemes.untaught import plain
from limbeck.schemes import Scheme, Term
from limbeck.train import Stage

if TYPE_CHECKING:
    from limbeck.recipes.config import DistillConfig
    from limbeck.recipes.job import Job
    from limbeck.recipes.tutor import Tutor


class SelfTaughtRecipe(SchemeRecipe):
    """What the schemes without another network share: the paper's terms, or those that the person names."""

    teachers: ClassVar[tuple[int, int]] = (0, 0)
    caches: ClassVar[bool] = False
    usual: ClassVar[Mapping[str, Any]] = {"loss": "KD"}

    def knowledge(self, kd: Knowledge, task: str = "classification", classes: int | None = None) -> Knowledge:
        """Return what is taught: nothing named means the paper's own terms."""
        return kd if nothing_named(kd) else super().knowledge(kd, task, classes)

    def refuse(self, config: "DistillConfig") -> None:
        """Refuse teachers, and losses that need one."""
        super().refuse(config)
        plain(self, config.kd)

    def course(self, job: "Job", model: Model, tutor: "Tutor | None", seed: int) -> Course:
        """Return one training of the student by itself."""
        network = model.module
        given = self.given(job, model, seed)
        return Course(
            [Stage("training", lambda: self.own(network, given(), job))], model, {"student": model.inputs}
        )

    def given(self, job: "Job", model: Model, seed: int) -> Any:
        """Return a function that wires the person's terms, between the student and itself, or gives ``None``."""
        kd = job.config.kd
        if nothing_named(kd):
            return lambda: None
        wiring = job.wiring(model, copy.deepcopy(model.module), {"teacher": model.inputs}, seed)
        return lambda: wiring.terms(kd.everything())

    @abstractmethod
    def own(self, network: nn.Module, terms: Sequence[Term] | None, job: "Job") -> Scheme:
        """Return the scheme.

        Args:
            network: the student.
            terms: the person's, or ``None`` for the paper's.
            job: the run.
        """


def nothing_named(kd: Knowledge) -> bool:
    """Return whether the person left all that is taught to the scheme.

    Example:
        >>> nothing_named(Knowledge()), nothing_named(Knowledge(temperature=2))
        (True, False)
    """
    return kd == Knowledge()


def labels_weight(job: "Job") -> dict[str, Any]:
    """Return the weight of the labels as an argument, where the person named what is taught."""
    return {} if nothing_named(job.config.kd) else {"task_weight": job.config.kd.weights()[0]}
