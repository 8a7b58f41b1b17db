"""Scores on parts of the data: what each part's own teacher reaches there, and what the student does."""

from dataclasses import dataclass
from itertools import zip_longest

from limbeck.report import formats
from limbeck.report.record import ModelFacts, RunRecord
from limbeck.report.roles import role_title
from limbeck.report.tables import score_interval, with_interval

__all__ = ["PartRow", "part_rows"]


@dataclass(frozen=True)
class PartRow:
    """One part of the data and the models that were measured on it."""

    part: str
    role: str
    """Of the part's own model, ``teacher`` or ``specialist``; nothing where it has none."""
    title: str
    """What that model is called: ``teacher 2``."""
    name: str
    """Its spec."""
    parameters: str
    taught: str
    """Its score on the part."""
    student: str
    """The student's score on the part."""
    difference: str
    """Student minus the part's own model."""
    tone: str


def part_rows(record: RunRecord) -> list[PartRow]:
    """Return the parts of the data for which the run has models of their own; none in most runs.

    Args:
        record: the run.
    """
    own: dict[str, list[ModelFacts]] = {}
    students: dict[str, list[ModelFacts]] = {}
    for each in record.models:
        if each.part != "all":
            (students if each.role == "student" else own).setdefault(each.part, []).append(each)
    return [
        _row(record, part, *pair)
        for part in dict.fromkeys([*own, *students])
        for pair in zip_longest(own.get(part, []), students.get(part, []))
    ]


def _row(record: RunRecord, part: str, own: ModelFacts | None, student: ModelFacts | None) -> PartRow:
    metric, change = record.protocol.metric, None
    before, after = (_mean(each, metric) for each in (own, student))
    if before is not None and after is not None:
        change = after - before
    better = change is not None and (change > 0) == record.protocol.higher_is_better
    return PartRow(
        part=part,
        role=own.role if own else "",
        title=role_title(own, record.models) if own else "",
        name=own.name if own else "",
        parameters=formats.count(own.parameters) if own else formats.UNKNOWN,
        taught=_score(record, own),
        student=_score(record, student),
        difference=formats.UNKNOWN if change is None else formats.points(metric, change),
        tone="" if not change else "better" if better else "worse",
    )


def _mean(model: ModelFacts | None, metric: str) -> float | None:
    score = model.scores.get(metric) if model else None
    return score.mean if score else None


def _score(record: RunRecord, model: ModelFacts | None) -> str:
    metric = record.protocol.metric
    score = model.scores.get(metric) if model else None
    if model is None or score is None:
        return formats.UNKNOWN
    return with_interval(metric, score.mean, score_interval(record, model, score))
