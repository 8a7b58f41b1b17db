"""The record of a run (``run.json``, schema 1): what a run was, what it measured and what it cost.

Recipes build a `RunRecord` and write it; the report, and anyone's own script, reads it back.
Its JSON Schema is ``RunRecord.json_schema()``.
"""

import json
import math
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    ValidationError,
    model_validator,
)

from limbeck.errors import LimbeckError
from limbeck.files import write_text

__all__ = ["RunRecord", "read_run"]

SCHEMA: Final = 1


def _undefined_as_none(value: object) -> object:
    """JSON has no NaN: a score that is undefined (a class never seen, say) is recorded as null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_undefined_as_none)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Role = Literal["teacher", "assistant", "peer", "specialist", "generation", "alone", "student", "model"]


class _Part(BaseModel):
    """A piece of the record: unknown keys are mistakes, and each field says what it holds."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=True
    )


class DataFacts(_Part):
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


class Protocol(_Part):
    """How the comparison was made fair."""

    teacher: Literal["fixed", "retrained"] | None
    """One teacher for all seeds, or one per seed; null for a run without a teacher."""
    teacher_trained_here: bool
    """Whether this run trained its teacher first."""
    selection: str
    """Which epoch's weights are scored, such as ``best validation epoch``."""
    metric: str
    """The score that decides: ``accuracy``, ``rmse``."""
    higher_is_better: bool


class Latency(_Part):
    """Time of one forward pass, in milliseconds."""

    median: NonNegativeFloat
    iqr: NonNegativeFloat
    """Interquartile range over the repeats."""
    batch: int
    """Samples in the forward pass."""
    threads: int
    """Processor threads, fixed while measuring."""


class Score(_Part):
    """One metric of one model over the seeds; null where it is undefined."""

    mean: Number
    std: Number
    """Sample standard deviation over seeds; null for a single seed."""
    values: list[Number]
    """One value per seed, in the order of the run's seeds."""


class ModelFacts(_Part):
    """One model of the run: its size, its speed and its scores on the test set."""

    role: Role
    stage: NonNegativeInt = 0
    """Stage of a scheme that has several (assistants, generations)."""
    part: str = "all"
    """Part of the data it was trained for; ``all`` except for specialists."""
    name: str
    """The model's spec, such as ``cnn:32-64``."""
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


class Difference(_Part):
    """Student minus alone, paired by seed and signed so that positive is better."""

    mean: Finite
    ci95: tuple[Finite, Finite] | None
    """95 % interval (Student's t over paired seeds); null for a single seed."""


class Gain(_Part):
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


class Fidelity(_Part):
    """How closely the student's outputs follow the teacher's on the test set, as opposed to its accuracy."""

    agreement: Number
    """Share of samples on which both predict the same class; null for regression."""
    kl: Number
    """Mean Kullback-Leibler divergence from the teacher's distribution to the student's at T = 1, in nats."""


class Cost(_Part):
    """What the run spent."""

    seconds: dict[str, NonNegativeFloat]
    """Training time per role, summed over seeds."""
    teacher_forwards: NonNegativeInt
    """Samples passed through the teacher while distilling, summed over seeds."""
    student_steps: NonNegativeInt
    """Optimizer steps of one student."""


class Environment(_Part):
    """Where the run took place."""

    python: str
    torch: str
    device: str
    threads: int
    git: str | None = None
    """Commit of the person's working folder, when it is a repository."""


class TeacherPrecision(_Part):
    """The teacher's precision, chosen by measuring how far its outputs move."""

    choice: str
    kl: Number
    """Divergence of its outputs from those in full precision, in nats."""
    tolerance: NonNegativeFloat


class Exported(_Part):
    """The exported file and its proof of parity."""

    file: str
    max_difference: Number
    """Largest absolute difference of an output from PyTorch's."""


class Stage(_Part):
    """One training of one network; the same over all seeds."""

    network: str
    """What was trained: ``student``, ``assistant-1``, ``teacher``."""
    stage: str
    """Its name among that network's trainings."""
    seeds: list[int]
    epochs: NonNegativeInt
    """Epochs of one seed, the last one's."""
    steps: NonNegativeInt
    """Optimizer steps up to its end, of one seed."""


class Bias(_Part):
    """Output biases of one network, corrected on validation for classes that the transfer set lacks."""

    network: str
    """``student`` or ``alone``."""
    seed: int
    classes: list[str]
    shift: Finite
    """What was added to the logits of these classes."""
    before: Number
    """Validation accuracy without the shift."""
    after: Number
    """Validation accuracy with it."""
    recall_before: list[Number]
    """Share of each of these classes that was right without the shift."""
    recall_after: list[Number]
    """The same with it."""


class RunRecord(_Part):
    """Everything a run's ``run.json`` holds.

    Example:
        >>> sorted(RunRecord.json_schema()["required"])[:3]
        ['command', 'cost', 'created']
    """

    model_config = ConfigDict(title="limbeck run record")

    schema_version: Literal[1] = Field(default=SCHEMA, alias="schema")
    """Version of this layout."""
    limbeck: str
    """Version of limbeck that wrote it."""
    kind: Literal["distill", "train"]
    created: str
    """ISO 8601 time at which the run ended."""
    command: str
    """The command that repeats the run."""
    recipe: dict[str, Any]
    """The complete configuration."""
    seeds: list[int] = Field(min_length=1)
    data: DataFacts
    protocol: Protocol
    models: list[ModelFacts] = Field(min_length=1)
    gain: Gain | None = None
    """Null when the student was not also trained alone."""
    fidelity: Fidelity | None = None
    cost: Cost
    environment: Environment
    teacher_precision: TeacherPrecision | None = None
    exported: Exported | None = None
    skipped: list[str] = Field(default_factory=list)
    """Unreadable files left out on request."""
    stages: list[Stage] = Field(default_factory=list)
    """Every training of the run, in order."""
    bias: list[Bias] = Field(default_factory=list)
    """Corrected output biases, of each student."""
    notes: list[str] = Field(default_factory=list)
    """What the reader should know of how the run was made, a sentence each."""

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Return the JSON Schema (draft 2020-12) of ``run.json``."""
        schema = cls.model_json_schema(by_alias=True)
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}

    def model(self, role: str) -> ModelFacts | None:
        """Return the model that played ``role`` (the last stage's, where there are several), or None."""
        return max(
            (each for each in self.models if each.role == role), key=lambda each: each.stage, default=None
        )

    def write(self, folder: str | Path) -> Path:
        """Write ``run.json`` into ``folder``, whole or not at all, and return its path."""
        path = Path(folder) / "run.json"
        write_text(path, self.model_dump_json(by_alias=True, indent=2) + "\n")
        return path


def read_run(folder: str | Path) -> RunRecord:
    """Read the record of the run in ``folder``.

    Args:
        folder: a run folder, which holds ``run.json``.

    Raises:
        LimbeckError: there is no finished run in the folder, or its record is not one this version can read.

    Example:
        >>> read_run("no/such/run")
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: No finished run in no/such/run: the folder does not exist. ...
    """
    folder = Path(folder)
    path = folder / "run.json"
    if not path.is_file():
        reason = "it has no run.json" if folder.is_dir() else "the folder does not exist"
        raise LimbeckError(
            f"No finished run in {folder}: {reason}. Give a folder that limbeck train or distill wrote, "
            "or finish an interrupted run with --resume."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LimbeckError(f"{path} is not JSON ({error}). Restore the file, or run again.") from error
    return _checked(content, path)


def _checked(content: object, path: Path) -> RunRecord:
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise LimbeckError(
            f"{path} has schema {schema!r}, and this limbeck reads schema {SCHEMA}. "
            "Use the version of limbeck that wrote it, or run again."
        )
    try:
        return RunRecord.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise LimbeckError(
            f"{path} does not follow schema {SCHEMA}: {where}: {first['msg']} "
            f"({error.error_count()} problem(s)). Restore the file, or run again."
        ) from error
