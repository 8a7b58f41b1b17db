"""What a run can be told: every setting, its default and its check."""

import inspect
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from limbeck import losses
from limbeck.errors import LimbeckError, did_you_mean
from limbeck.train.plan import Plan

LOSSES = tuple(name for name in losses.__all__ if name != "DistillationLoss")


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class Knowledge(_Settings):
    """What is taught, and how much it weighs beside the labels.

    Example:
        >>> Knowledge(kd_weight=0.7).weights()
        (0.30000000000000004, 0.7)
        >>> Knowledge(kd_weight=2.0, task_weight=1.0).weights()
        (1.0, 2.0)
    """

    loss: str | None = None
    """Name of a loss, as `limbeck.losses` spells it; KD for classes and LogitRegression for values unless told."""
    temperature: float | None = Field(default=None, gt=0)
    """Temperature of the soft targets, for the losses that have one; the loss's default unless told."""
    task_weight: float | None = Field(default=None, ge=0)
    """Weight of the hard loss; one minus `kd_weight` unless told."""
    kd_weight: float | None = Field(default=None, ge=0)
    """Weight of what the teacher says; one minus `task_weight` unless told, 0.9 if neither is."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further settings of the loss, by their names in its constructor."""

    @field_validator("loss")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None and name not in LOSSES:
            raise ValueError(f"no loss {name!r}; there are {', '.join(LOSSES)}.{did_you_mean(name, LOSSES)}")
        return name

    @model_validator(mode="after")
    def _fits(self) -> "Knowledge":
        try:
            if self.loss is not None:
                self.build()
        except LimbeckError as error:
            raise ValueError(str(error)) from error
        if self.weights() == (0, 0):
            raise ValueError(
                "task_weight and kd_weight are both 0, so there is nothing to learn from: raise one"
            )
        return self

    def for_task(self, task: str) -> "Knowledge":
        """Return these settings with the loss named: the task's own where none was.

        Args:
            task: ``"classification"`` or another.

        Raises:
            LimbeckError: a setting that the task's loss does not have.

        Example:
            >>> Knowledge().for_task("regression").loss
            'LogitRegression'
        """
        named = self.model_copy(
            update={"loss": self.loss or ("KD" if task == "classification" else "LogitRegression")}
        )
        named.build()
        return named

    def build(self) -> losses.DistillationLoss:
        """Return the loss with its settings."""
        kind = getattr(losses, self.loss or "KD")
        known = list(inspect.signature(kind).parameters)
        settings = dict(self.options)
        if self.temperature is not None:
            settings["temperature"] = self.temperature
        unknown = [name for name in settings if name not in known]
        if unknown:
            raise LimbeckError(
                f"{self.loss} has no setting {unknown[0]!r}; it has {', '.join(known) or 'none'}."
                f"{did_you_mean(unknown[0], known)}"
            )
        loss: losses.DistillationLoss = kind(**settings)
        return loss

    def weights(self) -> tuple[float, float]:
        """Return the weights of the hard loss and of the teacher's part."""
        task, kd = self.task_weight, self.kd_weight
        if task is None and kd is None:
            return 0.1, 0.9
        if task is not None and kd is not None:
            return task, kd
        given = task if task is not None else kd
        assert given is not None
        if given > 1:
            name = "task_weight" if kd is None else "kd_weight"
            raise ValueError(
                f"{name} is {given:g}, so the other weight cannot be one minus it: give both weights"
            )
        return (given, 1 - given) if kd is None else (1 - given, given)


class DataSettings(_Settings):
    """Settings of the data, shared by all recipes."""

    data: str
    """`digits`, `folder:PATH`, `idx:PATH`, `csv:PATH#COLUMN` or `sklearn:diabetes`."""
    limit: int | None = Field(default=None, ge=1)
    """Keep only so many training samples, each class in its share."""
    size: int | None = Field(default=None, ge=1)
    """Height and width in pixels that images are brought to; their own, or 224 for folders, unless told."""
    split_seed: int = Field(default=0, ge=0)
    """Of the split into training, validation and test parts, where the data comes without."""
    skip_bad: bool = False
    """Leave out images that cannot be read, and list them, instead of refusing them."""
    seeds: int = Field(default=3, ge=1)
    """How many students are trained, with seeds counted up from `train.seed`."""
    trackers: list[Literal["tensorboard", "mlflow"]] = Field(default_factory=list)
    """Where else the history is written while training."""


class DistillConfig(DataSettings):
    """Everything `limbeck distill` can be told.

    Example:
        >>> DistillConfig(teacher="cnn:32-64", student="cnn:8-16", data="digits").kd.weights()
        (0.1, 0.9)
    """

    teacher: str
    """`timm:NAME`, `torchvision:NAME`, `run:DIR`, `cnn:16-32`, `mlp:64-64` or `plugin:FUNCTION`."""
    student: str
    """Likewise."""
    teacher_weights: str | None = None
    """A .safetensors or weights-only .pt file for the teacher; without weights, the run trains it first."""
    student_weights: str | None = None
    """The same for the student to start from."""
    teacher_pretrained: bool = False
    """Use the zoo's trained weights for the teacher."""
    student_pretrained: bool = False
    """Start the student from the zoo's trained weights, with a new head."""
    teacher_size: int | None = Field(default=None, ge=1)
    """Image size in pixels that the teacher reads; what it was made for unless told."""
    student_size: int | None = Field(default=None, ge=1)
    """Likewise for the student."""
    teacher_precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Precision of the frozen teacher; `auto` takes bf16 where it is native and its outputs agree."""
    augment: str | None = None
    """Augmentation of the transfer set; by the kind of data unless told."""
    teacher_augment: str | None = None
    """Augmentation while the teacher is trained here; as `augment` unless told."""
    alone: bool = True
    """Train the same student without a teacher too, to know what the teacher gave."""
    kd: Knowledge = Field(default_factory=Knowledge)
    """What is taught."""
    train: Plan = Field(default_factory=Plan)
    """How student and alone are trained."""
    teacher_train: Plan | None = None
    """How the teacher is trained, where it comes without weights; as `train` unless told."""


class TrainConfig(DataSettings):
    """Everything `limbeck train` can be told.

    Example:
        >>> TrainConfig(model="cnn:32-64", data="digits").seeds
        1
    """

    model: str
    """`timm:NAME`, `torchvision:NAME`, `run:DIR`, `cnn:16-32`, `mlp:64-64` or `plugin:FUNCTION`."""
    weights: str | None = None
    """A .safetensors or weights-only .pt file to start from."""
    pretrained: bool = False
    """Start from the zoo's trained weights, with a new head."""
    model_size: int | None = Field(default=None, ge=1)
    """Image size in pixels that the model reads; what it was made for unless told."""
    augment: str | None = None
    """Augmentation; by the kind of data unless told."""
    seeds: int = Field(default=1, ge=1)
    """How many models are trained, with seeds counted up from `train.seed`; the best on validation is kept."""
    train: Plan = Field(default_factory=Plan)
    """How it is trained."""
