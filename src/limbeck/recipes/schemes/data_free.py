"""A generator makes the transfer set."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from pydantic import Field

from limbeck.data.noise import Noise
from limbeck.data.part import Part
from limbeck.data.transforms import InputTransform
from limbeck.data.views import Views
from limbeck.errors import LimbeckError
from limbeck.models import Model
from limbeck.models.generator import Generator
from limbeck.recipes.course import Course
from limbeck.recipes.schemes.base import SchemeRecipe
from limbeck.recipes.schemes.untaught import plain
from limbeck.recipes.wiring import Wiring
from limbeck.schemes import DataFree, Scheme
from limbeck.teachers import Frozen
from limbeck.train import Feed, Stage
from limbeck.types import Batch

if TYPE_CHECKING:
    from limbeck.recipes.config import DistillConfig
    from limbeck.recipes.job import Job
    from limbeck.recipes.tutor import Tutor


class DataFreeRecipe(SchemeRecipe):
    """A generator learns to make what the teacher recognises, and the student learns from that; no data is read.

    The data given serves to measure teacher and student, and to train a teacher that comes without weights.
    """

    title: ClassVar[str] = "data-free"
    paper: ClassVar[str] = "DAFL, Chen 2019, arXiv 1904.01186"
    situation: ClassVar[str] = "no data, only the teacher"
    usual: ClassVar[Mapping[str, Any]] = {
        "loss": "KD",
        "temperature": 1.0,
        "task_weight": 0.0,
        "kd_weight": 1.0,
    }
    usual_alone: ClassVar[bool] = False
    caches: ClassVar[bool] = False

    name: Literal["DataFree"] = "DataFree"
    samples: int = Field(default=10_000, ge=8)
    """Images that are made in an epoch."""
    noise: int = Field(default=100, ge=1)
    """Numbers that each image is made of."""
    width: int = Field(default=128, ge=2)
    """Channels of the generator."""
    onehot_weight: float = Field(default=1.0, ge=0)
    """Of images that the teacher is sure of."""
    activation_weight: float = Field(default=0.1, ge=0)
    """Of images that move the teacher's features."""
    entropy_weight: float = Field(default=5.0, ge=0)
    """Of classes in equal shares."""
    statistics_weight: float = Field(default=0.0, ge=0)
    """Of the statistics in the teacher's BatchNorm layers."""
    generator_lr: float = Field(default=1.0, gt=0)
    """The generator's learning rate, as a multiple of the student's."""

    def refuse(self, config: "DistillConfig") -> None:
        """Refuse labels to learn from, and losses that need data."""
        super().refuse(config)
        plain(self, config.kd)
        if config.mix is not None or config.views_per_decode > 1:
            raise LimbeckError("DataFree reads no images: leave --mix and --views-per-decode out.")
        if config.unlabelled is not None or config.ratio is not None:
            raise LimbeckError(
                "DataFree reads no images, with labels or without: leave --unlabelled and --ratio out, or choose "
                "SemiSupervised, which learns from them."
            )
        if config.kd.task_weight:
            raise LimbeckError("DataFree has no labels, so task_weight must be 0: leave it out.")

    def course(self, job: "Job", model: Model, tutor: "Tutor | None", seed: int) -> Course:
        """Return the training of generator and student on noise."""
        assert tutor is not None
        teacher = tutor.teacher
        if not isinstance(teacher, Frozen):
            raise LimbeckError(
                f"DataFree needs a teacher that passes gradients to its inputs, and {type(teacher).__name__} does not: "
                "give a network."
            )
        inputs = tutor.inputs["teacher"]
        shape = _read_shape(job, inputs)
        model = replace(model, inputs=inputs)  # no data to measure other statistics on
        example = Batch(torch.zeros(4, *shape))
        wiring = Wiring(model.module, teacher.model, example, job.task, self.samples, seed)

        def scheme() -> Scheme:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                generator = Generator(self.noise, shape, self.width)
            return DataFree(
                model.module,
                teacher,
                generator,
                wiring.terms(job.config.kd.everything()),
                job.task,
                onehot_weight=self.onehot_weight,
                activation_weight=self.activation_weight,
                entropy_weight=self.entropy_weight,
                statistics_weight=self.statistics_weight,
                generator_lr=self.generator_lr,
            )

        made = Part(Views(Noise(self.noise, self.samples), seed=seed), torch.arange(self.samples))
        held_out = job.reader({"student": inputs}).part(job.data.validation)
        return Course(
            [Stage("distillation", scheme)],
            model,
            {"student": inputs, "teacher": inputs},
            feed=lambda: Feed(made, held_out),
        )


def _read_shape(job: "Job", inputs: Any) -> tuple[int, int, int]:
    """Return what the teacher reads."""
    if not isinstance(inputs, InputTransform):
        raise LimbeckError(f"DataFree generates images, and {job.data.name} has none: choose another scheme.")
    height, width = inputs.size or (job.data.shape[1], job.data.shape[2])
    return inputs.channels, height, width
