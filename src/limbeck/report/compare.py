"""Several runs on one page: what each scores, gains and costs, and which are worth their cost."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from limbeck.errors import LimbeckError
from limbeck.files import write_text
from limbeck.report import formats
from limbeck.report.page import render
from limbeck.report.pareto import COSTS, pareto
from limbeck.report.record import ModelFacts, RunRecord, read_run
from limbeck.report.tables import ModelRow, Point, model_row, points_of, without_dominated

__all__ = ["compare_runs"]


@dataclass(frozen=True)
class _Run:
    """A run as a row of the table."""

    number: str
    folder: str
    link: str
    row: ModelRow
    gain: str
    tone: str
    unbeaten: list[str]
    """The costs on which no other model scores as well for less."""


def compare_runs(folders: Sequence[str | Path], out: str | Path) -> Path:
    """Write a page that sets several runs side by side: a table, and score against latency, bytes and MACs.

    Args:
        folders: finished runs that were scored with the same metric.
        out: the HTML file to write.

    Returns:
        The path of the page.

    Raises:
        LimbeckError: no folder is given, one holds no finished run, or the runs' metrics differ.

    Example:
        >>> compare_runs([], "compare.html")
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: No runs to compare. Give at least one run folder.
    """
    out = Path(out)
    records = _read(folders)
    points = {cost: _points(list(records.values()), cost) for cost in COSTS}
    runs = [
        _run(str(number), folder, record, out, points)
        for number, (folder, record) in enumerate(records.items(), start=1)
    ]
    first = next(iter(records.values()))
    metric, up = first.protocol.metric, first.protocol.higher_is_better
    drawn = [
        pareto(found, cost, metric, higher_is_better=up, compare=True)
        for cost, found in points.items()
        if found
    ]
    claim, detail = _claim(records)
    page = render(
        "compare.html.j2",
        claim=claim,
        detail=detail,
        runs=runs,
        metric_name=formats.metric_name(metric),
        data_names=list(dict.fromkeys(record.data.name for record in records.values())),
        fingerprints=len({record.data.fingerprint for record in records.values()}),
        roles=list(dict.fromkeys(point.role for found in points.values() for point in found)),
        figures=drawn,
    )
    write_text(out, page)
    return out


def _read(folders: Sequence[str | Path]) -> dict[Path, RunRecord]:
    if not folders:
        raise LimbeckError("No runs to compare. Give at least one run folder.")
    records = {Path(folder): read_run(folder) for folder in folders}
    metrics = {record.protocol.metric: folder for folder, record in records.items()}
    if len(metrics) > 1:
        named = " and ".join(f"{folder} by {metric}" for metric, folder in metrics.items())
        raise LimbeckError(f"The runs are scored differently: {named}. Compare runs that share their metric.")
    return records


def _result(record: RunRecord) -> ModelFacts:
    """Return the model a run was made for."""
    return record.model("student") or record.model("model") or record.models[-1]


def _points(records: Sequence[RunRecord], cost: str) -> list[Point]:
    """Return every run's models as points: the result under its run's number, a teacher as T."""
    found = []
    for number, record in enumerate(records, start=1):
        labels = {"student": str(number), "model": str(number), "alone": ""}
        found += [replace(point, label=labels.get(point.role, "T")) for point in points_of(record, cost)]
    up = all(record.protocol.higher_is_better for record in records)
    return without_dominated(list(dict.fromkeys(found)), higher_is_better=up)  # a shared teacher is one point


def _run(number: str, folder: Path, record: RunRecord, out: Path, points: Mapping[str, list[Point]]) -> _Run:
    page = folder / "report.html"
    unbeaten = [
        COSTS[cost]
        for cost, found in points.items()
        if any(point.label == number and not point.dominated for point in found)
    ]
    gain, tone = _gain(record)
    return _Run(
        number=number,
        folder=str(folder),
        link=Path(os.path.relpath(page, out.parent)).as_posix() if page.is_file() else "",
        row=model_row(record, _result(record)),
        gain=gain,
        tone=tone,
        unbeaten=unbeaten,
    )


def _gain(record: RunRecord) -> tuple[str, str]:
    """Return the gain over alone with its interval, and its tone."""
    gain = record.gain
    if gain is None:
        return formats.UNKNOWN, ""
    sign = 1 if record.protocol.higher_is_better else -1
    text = formats.points(gain.metric, sign * gain.absolute.mean)
    if gain.absolute.ci95:
        low, high = gain.absolute.ci95
        text += f" ±{formats.GAP}{formats.points(gain.metric, (high - low) / 2, signed=False)}"
    return text, {"helped": "better", "hurt": "worse"}.get(gain.verdict, "")


def _claim(records: Mapping[Path, RunRecord]) -> tuple[str, str]:
    """Say which run scores best, and which is the fastest."""
    results = {folder: _result(record) for folder, record in records.items()}
    first = next(iter(records.values()))
    metric, sign = first.protocol.metric, 1 if first.protocol.higher_is_better else -1
    scores = {
        folder: score.mean
        for folder, model in results.items()
        if (score := model.scores.get(metric)) and score.mean is not None
    }
    times = {folder: model.latency_ms.median for folder, model in results.items() if model.latency_ms}
    name = formats.metric_name(metric)
    if not scores:
        return f"None of the runs has a known {name}", ""
    best = max(scores, key=lambda folder: sign * scores[folder])
    claim = f"{best.name} scores best: {formats.score(metric, scores[best])} {name}"
    if not times:
        return claim, ""
    fastest = min(times, key=lambda folder: times[folder])
    if fastest == best:
        return claim, f"It is the fastest, too: {formats.milliseconds(times[best])}."
    reached = f", with {formats.score(metric, scores[fastest])} {name}" if fastest in scores else ""
    return claim, f"{fastest.name} is the fastest: {formats.milliseconds(times[fastest])}{reached}."
