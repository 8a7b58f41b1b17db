"""What a run can be told: every setting, its default and its check."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from limbeck.recipes.knowledge import Knowledge
from limbeck.recipes.schemes import AnyScheme, SchemeRecipe
from limbeck.recipes.schemes.offline import OfflineRecipe
from limbeck.train.plan import Plan


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class DataSettings(_Settings):
    """Settings of the data, shared by all recipes."""

    data: str
    """`digits`, `folder:PATH`, `idx:PATH`, `csv:PATH#COLUMN`, `wav:PATH` or `sklearn:diabetes`; `DATA@A,B` keeps the
    classes A and B."""
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
        (1.0, 1.0)
    """

    student: str
    """`timm:NAME`, `torchvision:NAME`, `run:DIR`, `cnn:16-32`, `mlp:64-64` or `plugin:FUNCTION`."""
    teacher: str | None = None
    """Likewise; schemes without a teacher take none."""
    teachers: list[str] = Field(default_factory=list)
    """Further teachers, for the schemes that take several."""
    scheme: AnyScheme = Field(default_factory=OfflineRecipe)
    """Who teaches whom, as `limbeck schemes` lists it: a name, or a name with settings."""
    unlabelled: str | None = None
    """Samples without labels: `folder:PATH` with images, or any data whose labels are then not read."""
    labels: float | None = Field(default=None, gt=0)
    """Of the training samples, how many keep their labels: a share below 1, or a number. The rest is unlabelled."""
    ratio: float | None = Field(default=None, gt=0)
    """Unlabelled samples for each labelled one in a batch; in proportion to their numbers, 7 at most, unless
    told."""
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
    teacher_precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Precision of the frozen teacher; `auto` takes bf16 where it is native, or fp16 on GPUs without it, if its outputs
    agree."""
    teacher_compile: bool = False
    """Run the frozen teacher through torch.compile, if its outputs agree."""
    augment: str | None = None
    """Augmentation of the transfer set; by the kind of data unless told."""
    teacher_augment: str | None = None
    """Augmentation while the teacher is trained here; as `augment` unless told."""
    mix: str | None = None
    """Mix each view with that of another training sample: `mixup-0.2` or `cutmix-1.0`, with their alpha. Partner and
    share belong to the view, so the teacher's answers can be kept; a
    teacher that is trained here is not mixed."""
    views_per_decode: int = Field(default=1, ge=1)
    """Decode each training image once for so many views of it in a batch, where decoding is what takes the time. An
    epoch then takes that share of the images; over so many epochs the views seen are the same."""
    cache_views: int | None = Field(default=None, ge=1)
    """Keep the teacher's answers for so many augmentation draws of each sample, and read them in later epochs, which
    see these draws again. The teacher is asked at every step unless told."""
    cache: str | None = None
    """Folder of a cache to read, or to make; one inside the run unless told."""
    alone: bool = True
    """Train the same student without a teacher too, to know what the teacher gave."""
    kd: Knowledge = Field(default_factory=Knowledge)
    """What is taught."""
    train: Plan = Field(default_factory=Plan)
    """How student and alone are trained."""
    teacher_train: Plan | None = None
    """How the teacher is trained, where it comes without weights; as `train` unless told."""

    def recipe(self) -> SchemeRecipe:
        """Return who teaches whom."""
        found: SchemeRecipe = self.scheme
        return found

    def of_frozen(self) -> dict[str, Any]:
        """Return how a frozen teacher runs."""
        return {"precision": self.teacher_precision, "compile": self.teacher_compile}

    def plan_of(self, role: str, weights: str | None = None) -> Plan | None:
        """Return how a model is trained: ``None`` for a teacher that comes with weights."""
        if role != "teacher":
            return self.train
        return None if weights is not None else self.teacher_train or self.train


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
    mix: str | None = None
    """Mix each view with that of another training sample: `mixup-0.2` or `cutmix-1.0`, with their alpha. Partner and
    share belong to the view."""
    views_per_decode: int = Field(default=1, ge=1)
    """Decode each training image once for so many views of it in a batch, where decoding is what takes the time. An
    epoch then takes that share of the images; over so many epochs the views seen are the same."""
    seeds: int = Field(default=1, ge=1)
    """How many models are trained, with seeds counted up from `train.seed`; the best on validation is kept."""
    train: Plan = Field(default_factory=Plan)
    """How it is trained."""
