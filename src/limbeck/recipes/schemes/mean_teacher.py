"""The average of a network's own weights teaches it, on samples with and without labels."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from torch import nn

from limbeck.models import Model
from limbeck.recipes.course import Course
from limbeck.recipes.schemes.self_taught import SelfTaughtRecipe, labels_weight
from limbeck.schemes import MeanTeacher, Scheme, Term

if TYPE_CHECKING:
    from limbeck.recipes.job import Job
    from limbeck.recipes.tutor import Tutor


class MeanTeacherRecipe(SelfTaughtRecipe):
    """The moving average of the student's weights teaches it on every sample, each network under a draw of its own."""

    title: ClassVar[str] = "mean teacher"
    paper: ClassVar[str] = "Tarvainen & Valpola 2017, arXiv 1703.01780"
    situation: ClassVar[str] = "few labels, many samples without, no teacher"

    name: Literal["MeanTeacher"] = "MeanTeacher"
    decay: float = Field(default=0.999, ge=0, lt=1)
    """Of the average, per optimizer step: it looks back over some 1 / (1 - decay) steps."""
    ramp: float = Field(default=0.25, ge=0, le=1)
    """Share of the training in which the teacher's weight rises."""
    deploy: Literal["teacher", "student"] = "teacher"
    """What is shipped: the average, as in the paper, or the student."""

    def course(self, job: "Job", model: Model, tutor: "Tutor | None", seed: int) -> Course:
        """Return one training in which student and average look at draws of their own."""
        course = super().course(job, model, tutor, seed)
        inputs = {"student": model.inputs, "teacher": model.inputs}
        drawn = job.augmentation()
        return replace(course, inputs=inputs, augment={"student": drawn, "teacher": drawn}, role=self.deploy)

    def own(self, network: nn.Module, terms: Sequence[Term] | None, job: "Job") -> Scheme:
        """Return a student that follows its own average."""
        return MeanTeacher(
            network,
            terms,
            job.task,
            decay=self.decay,
            ramp=self.ramp,
            deploy=self.deploy,
            **labels_weight(job),
        )
