"""The record of a look at a teacher's temperature (``temperature.json``): what it says, and what a search found."""

import json
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from limbeck.errors import LimbeckError
from limbeck.files import write_text
from limbeck.report.record import Difference, Score

__all__ = ["Example", "Search", "Softened", "TemperatureRecord", "Trial", "read_temperature"]

SCHEMA: Final = 1
FILE: Final = "temperature.json"


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=True
    )


class Softened(_Part):
    """What the teacher says at one temperature, means over the validation samples."""

    temperature: float
    entropy: float
    """In nats."""
    entropy_share: float
    """Of log C: 0 is certain, 1 is uniform."""
    effective_classes: float
    """exp(entropy)."""
    top: float
    """Probability of the likeliest class."""
    true: float
    """Probability of the true class."""
    largest_wrong: float
    """Of what the wrong classes get together, the share of the largest of them."""


class Example(_Part):
    """One validation sample and what the teacher says of it."""

    index: int
    """Identifies the sample in its data."""
    true: str
    """Its class."""
    classes: list[str]
    """The likeliest classes, the likeliest first; all of them where they are few."""
    shares: list[list[float]]
    """A row of their probabilities for each temperature."""
    picture: str | None = None
    """The sample as a data URI, where it is an image."""


class Trial(_Part):
    """One pair of temperature and weight, tried on all seeds."""

    temperature: float
    kd_weight: float
    task_weight: float
    score: Score
    """On validation."""
    over_own: Difference | None
    """Against the run's own settings, paired by seed, positive is better; null for those themselves."""


class Search(_Part):
    """Students trained with several temperatures and weights, compared on validation alone."""

    student: str
    metric: str
    higher_is_better: bool
    seeds: list[int]
    epochs: int
    trials: list[Trial] = Field(min_length=1)
    own: int
    """Position of the run's own settings in ``trials``."""
    best: int
    """Position of the best."""
    verdict: Literal["own is best", "helped", "no evidence"]
    """Of the best against the run's own."""
    sentence: str
    """What was found, in words."""
    command: str
    """Distils with the best."""


class TemperatureRecord(_Part):
    """Everything that ``temperature.json`` holds.

    Example:
        >>> sorted(TemperatureRecord.model_json_schema()["properties"])[:3]
        ['classes', 'created', 'data']
    """

    schema_version: Literal[1] = Field(default=SCHEMA, alias="schema")
    limbeck: str
    """Version of limbeck that wrote it."""
    created: str
    """ISO 8601 time."""
    teacher: str
    """The teacher's spec."""
    fingerprint: str
    """SHA-256 of the teacher's weights."""
    data: str
    """As the person wrote it."""
    data_fingerprint: str
    samples: int
    """Validation samples looked at."""
    classes: int
    rows: list[Softened]
    """One for each temperature, the lowest first."""
    examples: list[Example]
    search: Search | None = None

    def write(self, folder: str | Path) -> Path:
        """Write ``temperature.json`` into ``folder``, whole or not at all, and return its path."""
        path = Path(folder) / FILE
        write_text(path, self.model_dump_json(by_alias=True, indent=2) + "\n")
        return path


def read_temperature(folder: str | Path) -> TemperatureRecord | None:
    """Read ``temperature.json`` from ``folder``, or return ``None`` where there is none.

    Raises:
        LimbeckError: the file is damaged or of another schema.

    Example:
        >>> read_temperature("no/such/folder") is None
        True
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return None
    try:
        return TemperatureRecord.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, ValidationError) as error:
        raise LimbeckError(
            f"{path} is not a record of limbeck temperature: remove it and run again."
        ) from error
