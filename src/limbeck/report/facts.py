"""What a run measured: the pieces of its record for data, models, gain, fidelity and cost."""

import math
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)

__all__ = [
    "Cost",
    "DataFacts",
    "Difference",
    "Fidelity",
    "Gain",
    "Latency",
    "Mistakes",
    "ModelFacts",
    "Piece",
    "Score",
]


def _undefined_as_none(value: object) -> object:
    """JSON has no NaN: a score that is undefined (a class never seen, say) is recorded as null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_undefined_as_none)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Role = Literal["teacher", "assistant", "peer", "specialist", "generation", "alone", "student", "model"]


class Piece(BaseModel):
    """A piece of the record: unknown keys are mistakes, and each field says what it holds."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=True
    )


class DataFacts(Piece):
    """The data a run read, and how it was split."""

    name: str
    """As the person wrote it: ``digits``, ``folder:photos``."""
    task: Literal["classification", "frames", "regression"]
    fingerprint: str
    """SHA-256 of the content of the data and of its split."""
    train: NonNegativeInt
    """Number of samples trained on."""
    validation: NonNegativeInt
    """Number of samples every choice was made on."""
    test: NonNegativeInt
    """Number of samples the printed scores were measured on, once per seed."""
    classes: list[str] | None = None
    """Class names in label order; null for regression."""
    notes: list[str] = Field(default_factory=list)
    """What the reader should know about how the data was read, a sentence each."""


class Latency(Piece):
    """Time of one forward pass, in milliseconds."""

    median: NonNegativeFloat
    iqr: NonNegativeFloat
    """Interquartile range over the repeats."""
    batch: int
    """Samples in the forward pass."""
    threads: int
    """Processor threads, fixed while measuring."""


class Score(Piece):
    """One metric of one model over the seeds; null where it is undefined."""

    mean: Number
    std: Number
    """Sample standard deviation over seeds; null for a single seed."""
    values: list[Number]
    """One value per seed, in the order of the run's seeds."""


class ModelFacts(Piece):
    """One model of the run: its size, its speed and its scores on the test set."""

    role: Role
    stage: NonNegativeInt = 0
    """Number among the rows of its role: of the teacher, the assistant, the generation."""
    part: str = "all"
    """Part of the data that it was made for, or measured on; ``all`` unless it is a part."""
    name: str
    """The model's spec, such as ``cnn:32-64``; how they are put together, where it is several."""
    networks: PositiveInt = 1
    """How many networks it is, measured as one."""
    parameters: NonNegativeInt
    macs: NonNegativeInt | None
    """Multiply-accumulates of one sample's forward pass; null when they could not be counted."""
    bytes: NonNegativeInt
    """Size of the saved weights."""
    latency_ms: Latency | None
    scores: dict[str, Score]
    """Test scores at the selected epoch, as fractions (accuracy 0 to 1)."""
    last_scores: dict[str, Score] = Field(default_factory=dict)
    """The same at the last epoch."""


class Difference(Piece):
    """Student minus alone, paired by seed and signed so that positive is better."""

    mean: Finite
    ci95: tuple[Finite, Finite] | None
    """95 % interval (Student's t over paired seeds); null for a single seed."""


class Gain(Piece):
    """What distillation gave over the same student trained alone."""

    metric: str
    absolute: Difference
    gap_recovered: Number = None
    """(distilled - alone) / (teacher - alone); null when the teacher is not better than alone."""
    verdict: Literal["helped", "no evidence", "hurt"]

    @model_validator(mode="after")
    def _says_no_more_than_its_interval(self) -> Self:
        low, high = self.absolute.ci95 or (0.0, 0.0)
        shown = "helped" if low > 0 else "hurt" if high < 0 else "no evidence"
        if self.verdict != shown:
            raise ValueError(f"the interval {self.absolute.ci95} shows {shown!r}, not {self.verdict!r}")
        return self


class Mistakes(Piece):
    """What became of the teacher's mistakes in the student: counts of test samples."""

    samples: NonNegativeInt
    """Samples with a label."""
    teacher: NonNegativeInt
    """Of these, those that the teacher gets wrong: inherited, otherwise and corrected together."""
    inherited: NonNegativeInt
    """The student is wrong too, with the teacher's class."""
    otherwise: NonNegativeInt
    """The student is wrong too, with another class."""
    corrected: NonNegativeInt
    """The student is right where the teacher is wrong."""
    new: NonNegativeInt
    """The student is wrong where the teacher is right."""

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.teacher != self.inherited + self.otherwise + self.corrected:
            raise ValueError("the teacher's mistakes are those inherited, made otherwise and corrected")
        if self.teacher + self.new > self.samples:
            raise ValueError("there are more mistakes than samples")
        return self


class Fidelity(Piece):
    """How closely the student's outputs follow the teacher's on the test set, as opposed to its accuracy."""

    agreement: Number
    """Share of samples on which both predict the same class; null for regression."""
    kl: Number
    """Mean Kullback-Leibler divergence from the teacher's distribution to the student's at T = 1, in nats."""
    mistakes: Mistakes | None = None
    """What became of the teacher's mistakes; null where samples have no classes."""


class Cost(Piece):
    """What the run spent."""

    seconds: dict[str, NonNegativeFloat]
    """Training time per role, summed over seeds."""
    teacher_forwards: NonNegativeInt
    """Samples passed through the teacher while distilling, summed over seeds."""
    student_steps: NonNegativeInt
    """Optimizer steps of one student."""
    waiting: Number = None
    """Share of the student's training time spent waiting for data, 0 to 1; null where nothing was measured."""
