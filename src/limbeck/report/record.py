"""The record of a run (``run.json``, schema 1): what a run was, what it measured and what it cost.

Recipes build a `RunRecord` and write it; the report, and anyone's own script, reads it back.
Its JSON Schema is ``RunRecord.json_schema()``.
"""

import json
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ConfigDict, Field, ValidationError

from limbeck.errors import LimbeckError
from limbeck.files import write_text
from limbeck.report.facts import (
    Cost,
    DataFacts,
    Difference,
    Fidelity,
    Gain,
    Latency,
    Mistakes,
    ModelFacts,
    Piece,
    Score,
)
from limbeck.report.procedure import (
    Bias,
    Cache,
    Environment,
    Exported,
    Privacy,
    Protocol,
    SchemeFacts,
    Stage,
    TeacherPrecision,
)

__all__ = [
    "Bias",
    "Cache",
    "Cost",
    "DataFacts",
    "Difference",
    "Environment",
    "Exported",
    "Fidelity",
    "Gain",
    "Latency",
    "Mistakes",
    "ModelFacts",
    "Privacy",
    "Protocol",
    "RunRecord",
    "SchemeFacts",
    "Score",
    "Stage",
    "TeacherPrecision",
    "read_run",
]

SCHEMA: Final = 1


class RunRecord(Piece):
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
    caches: list[Cache] = Field(default_factory=list)
    """Teachers' answers that were kept, one entry for each network that learnt from some."""
    notes: list[str] = Field(default_factory=list)
    """What the reader should know of how the run was made, a sentence each."""
    scheme: SchemeFacts | None = None
    """Who taught whom; null where nobody did."""
    privacy: Privacy | None = None
    """Null unless the teachers' answers were made private."""

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Return the JSON Schema (draft 2020-12) of ``run.json``."""
        schema = cls.model_json_schema(by_alias=True)
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}

    def model(self, role: str) -> ModelFacts | None:
        """Return the model that stands for ``role`` as a whole, or None.

        Of several it is the last: the last assistant; what all teachers are together. One that was made for a part of
        the data, or measured on one, stands for that part alone.
        """
        whole = [each for each in self.models if each.role == role and each.part == "all"]
        return max(whole, key=lambda each: each.stage, default=None)

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
