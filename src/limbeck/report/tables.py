"""The numbers of a record as rows: for the terminal, for the page, for the plots; no markup here."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limbeck.report import formats
from limbeck.report.measurements import Confusion
from limbeck.report.record import ModelFacts, RunRecord, Score
from limbeck.report.roles import role_title, whole

__all__ = [
    "ClassRow",
    "ModelRow",
    "Pair",
    "Point",
    "class_rows",
    "interval",
    "model_rows",
    "pair_changes",
    "points_of",
    "without_dominated",
]


@dataclass(frozen=True)
class ModelRow:
    """One model of a run, ready to print."""

    role: str
    name: str
    score: str
    """The run's deciding metric with its interval: ``97.84 ± 0.31 %``."""
    parameters: str
    macs: str
    bytes: str
    latency: str


@dataclass(frozen=True)
class ClassRow:
    """One class: the share of its test samples that each model gets right."""

    name: str
    samples: int
    """Test samples of the class, per seed."""
    alone: float | None
    student: float | None
    teacher: float | None

    @property
    def change(self) -> float | None:
        """Student minus alone."""
        return None if self.student is None or self.alone is None else self.student - self.alone


@dataclass(frozen=True)
class Pair:
    """How often one class is taken for another, alone and distilled, per seed."""

    true: str
    predicted: str
    alone: float
    student: float

    @property
    def change(self) -> float:
        """Student minus alone: negative is fewer mistakes."""
        return self.student - self.alone


@dataclass(frozen=True)
class Point:
    """One model in a plot of score against cost."""

    label: str
    role: str
    cost: float
    score: float
    half_width: float | None = None
    """Half of the score's 95 % interval."""
    dominated: bool = False
    """Whether another point costs no more and scores no worse."""


def interval(values: Sequence[float | None]) -> float | None:
    """Return half the width of Student's 95 % interval for the mean over seeds.

    Args:
        values: one score per seed.

    Returns:
        The half width, or None for fewer than two seeds or an undefined score.

    Example:
        >>> round(interval([0.90, 0.92, 0.94]), 4)
        0.0497
        >>> interval([0.9]) is None
        True
    """
    known = [value for value in values if value is not None]
    if len(known) < 2 or len(known) < len(values):
        return None
    from scipy.special import stdtrit

    quantile = float(stdtrit(len(known) - 1, 0.975))
    return quantile * float(np.std(known, ddof=1)) / math.sqrt(len(known))


def score_interval(record: RunRecord, model: ModelFacts, score: Score) -> float | None:
    """Return the half width of a model's score; a fixed teacher has no spread over seeds, so none."""
    if model.role == "teacher" and record.protocol.teacher == "fixed":
        return None
    return interval(score.values)


def with_interval(metric: str, mean: float | None, half: float | None) -> str:
    r"""Write a score and its interval.

    Example:
        >>> with_interval("accuracy", 0.9784, 0.0031), with_interval("rmse", 54.2, None)
        ('97.84\xa0±\xa00.31\xa0%', '54.20')
    """
    text = formats.score(metric, mean)
    if mean is None or half is None:
        return text
    number, _, unit = text.partition(formats.GAP)
    return formats.GAP.join(filter(None, [number, "±", formats.points(metric, half, signed=False), unit]))


def model_row(record: RunRecord, model: ModelFacts) -> ModelRow:
    """Return one of the run's models as a printable row."""
    metric = record.protocol.metric
    score = model.scores.get(metric)
    text = formats.UNKNOWN
    if score is not None:
        text = with_interval(metric, score.mean, score_interval(record, model, score))
    return ModelRow(
        role=role_title(model, record.models),
        name=model.name,
        score=text,
        parameters=formats.count(model.parameters),
        macs=formats.count(model.macs),
        bytes=formats.size(model.bytes),
        latency=formats.milliseconds(model.latency_ms.median if model.latency_ms else None),
    )


def model_rows(record: RunRecord) -> list[ModelRow]:
    """Return one printable row per model of all the data, from the teacher down to the student.

    Args:
        record: the run.

    Returns:
        Rows of text; the command line prints them as a table.
    """
    return [model_row(record, model) for model in whole(record.models)]


def seed_scores(record: RunRecord, role: str) -> list[float]:
    """Return a role's known scores in the deciding metric, one per seed."""
    model = record.model(role)
    score = model.scores.get(record.protocol.metric) if model else None
    return [value for value in score.values if value is not None] if score else []


def class_rows(record: RunRecord, confusion: Confusion) -> list[ClassRow]:
    """Return the classes' recalls, from the biggest gain over alone to the biggest loss.

    Without a student trained alone the order is from the best recognised class to the worst.

    Args:
        record: the run; its classes name the rows.
        confusion: role to (C, C) counts summed over seeds.
    """
    if not confusion or record.data.classes is None:
        return []
    seeds = len(record.seeds)
    main = confusion.get("student", confusion.get("model", next(iter(confusion.values()))))
    samples = main.sum(axis=1)
    recalls = {
        role: [int(row[index]) / int(row.sum()) if row.sum() else None for index, row in enumerate(matrix)]
        for role, matrix in {**confusion, "student": main}.items()
    }
    nothing: list[float | None] = [None] * len(samples)
    rows = [
        ClassRow(
            name=name,
            samples=round(int(samples[index]) / seeds),
            alone=recalls.get("alone", nothing)[index],
            student=recalls["student"][index],
            teacher=recalls.get("teacher", nothing)[index],
        )
        for index, name in enumerate(record.data.classes)
    ]
    return sorted(rows, key=_gain_first)


def _gain_first(row: ClassRow) -> tuple[bool, float]:
    rank = row.student if row.alone is None else row.change
    return (rank is None, -(rank or 0.0))


def pair_changes(record: RunRecord, confusion: Confusion, most: int = 12) -> list[Pair]:
    """Return the pairs of classes whose confusion changed most between alone and distilled.

    Args:
        record: the run.
        confusion: role to (C, C) counts summed over seeds.
        most: how many pairs at most; unchanged pairs are never among them.
    """
    if "alone" not in confusion or "student" not in confusion or record.data.classes is None:
        return []
    names, seeds = record.data.classes, len(record.seeds)
    change = confusion["student"] - confusion["alone"]
    np.fill_diagonal(change, 0)
    order = np.argsort(-np.abs(change), axis=None, kind="stable")[:most]
    cells = [divmod(int(flat), len(names)) for flat in order]
    return [
        Pair(
            true=names[row],
            predicted=names[column],
            alone=int(confusion["alone"][row, column]) / seeds,
            student=int(confusion["student"][row, column]) / seeds,
        )
        for row, column in cells
        if change[row, column]
    ]


def cost_of(model: ModelFacts, cost: str) -> float | None:
    """Return a model's cost in ``latency`` (ms), ``bytes``, ``macs`` or ``parameters``."""
    if cost == "latency":
        return model.latency_ms.median if model.latency_ms else None
    value: int | None = getattr(model, cost)
    return value


def points_of(record: RunRecord, cost: str, label: str = "") -> list[Point]:
    """Return the run's models as points of score against a cost.

    Models that lack either are left out, and those of a part of the data.

    Args:
        record: the run.
        cost: ``latency``, ``bytes``, ``macs`` or ``parameters``.
        label: what to write beside the points; each model's role when empty.
    """
    found = []
    for model in whole(record.models):
        score, spent = model.scores.get(record.protocol.metric), cost_of(model, cost)
        if score is None or score.mean is None or spent is None:
            continue
        half = score_interval(record, model, score)
        found.append(Point(label or role_title(model, record.models), model.role, spent, score.mean, half))
    return found


def without_dominated(points: Sequence[Point], *, higher_is_better: bool) -> list[Point]:
    """Return the points with those marked that another one beats: cheaper and no worse, or better at no more.

    Example:
        >>> small, big = Point("a", "student", 1.0, 0.9), Point("b", "student", 2.0, 0.8)
        >>> [point.dominated for point in without_dominated([small, big], higher_is_better=True)]
        [False, True]
    """
    sign = 1 if higher_is_better else -1
    marked = []
    for point in points:
        beaten = any(
            other.cost <= point.cost
            and sign * other.score >= sign * point.score
            and (other.cost, other.score) != (point.cost, point.score)
            for other in points
        )
        marked.append(Point(point.label, point.role, point.cost, point.score, point.half_width, beaten))
    return marked
