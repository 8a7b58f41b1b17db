"""Heads at depth taught by the deepest one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

from limbeck.models import Model
from limbeck.recipes.course import Course
from limbeck.recipes.schemes.self_taught import SelfTaughtRecipe, labels_weight
from limbeck.schemes import BeYourOwnTeacher, Scheme, Term
from limbeck.train import Stage
from limbeck.types import Batch

if TYPE_CHECKING:
    from limbeck.recipes.job import Job
    from limbeck.recipes.tutor import Tutor


class BeYourOwnTeacherRecipe(SelfTaughtRecipe):
    """Auxiliary heads at depth learn from the labels and from the deepest one; only the network is shipped."""

    title: ClassVar[str] = "be your own teacher"
    paper: ClassVar[str] = "Zhang 2019, arXiv 1905.08094"
    situation: ClassVar[str] = "no teacher, a deep student, one training"

    name: Literal["BeYourOwnTeacher"] = "BeYourOwnTeacher"
    layers: list[str] | None = None
    """Layers that get a head, as `limbeck layers` shows them; the ends of the stages unless told."""
    head_weight: float = Field(default=0.7, ge=0)
    """Weight of the heads' labels."""

    def course(self, job: "Job", model: Model, tutor: "Tutor | None", seed: int) -> Course:
        """Return one training of the network with its heads."""
        given, network = self.given(job, model, seed), model.module
        example = job.wiring(model, None, {}, seed).example

        def scheme() -> Scheme:
            terms = given()
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)  # the heads are the same whatever was trained before, or resumed
                return self._with_heads(network, example, terms, job)

        return Course([Stage("training", scheme)], model, {"student": model.inputs})

    def _with_heads(
        self, network: nn.Module, example: Batch, terms: Sequence[Term] | None, job: "Job"
    ) -> Scheme:
        return BeYourOwnTeacher(
            network,
            self.layers,
            example,
            terms,
            job.task,
            head_weight=self.head_weight,
            **labels_weight(job),
        )

    def own(self, network: nn.Module, terms: Sequence[Term] | None, job: "Job") -> Scheme:
        """Return the scheme, its heads sized on one sample of the task's example."""
        return self._with_heads(network, Batch(job.task.example_input()), terms, job)
