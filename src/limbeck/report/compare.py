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
from limbeck.report.roles import distilled_by, in_order
from limbeck.report.sections import mean_gain
from limbeck.report.tables import ModelRow, Point, interval, model_row, points_of, without_dominated

__all__ = ["compare_runs"]

LETTERS = {"teacher": "T", "assistant": "A", "generation": "G", "peer": "P"}
"""What stands for networks beside those that runs were made for."""


@dataclass(frozen=True)
class _Run:
    """A run as a row of the table."""

    number: str
    name: str
    link: str
    scheme: str
    """Who taught whom, by its name; nothing where no run has any but the usual."""
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
    out.parent.mkdir(parents=True, exist_ok=True)
    records = _read(folders)
    names = _names(list(records))
    points = {cost: _points(list(records.values()), cost) for cost in COSTS}
    schemes = any(map(distilled_by, records.values()))
    runs = [
        _run(str(number), record, points, name=names[folder], page=_link(folder, out), scheme=schemes)
        for number, (folder, record) in enumerate(records.items(), start=1)
    ]
    first = next(iter(records.values()))
    metric, up = first.protocol.metric, first.protocol.higher_is_better
    drawn = [
        (COSTS[cost], pareto(found, cost, metric, higher_is_better=up, compare=True))
        for cost, found in points.items()
        if found
    ]
    claim, detail = _claim(records, names)
    page = render(
        "compare.html.j2",
        claim=claim,
        detail=detail,
        runs=runs,
        metric_name=formats.metric_name(metric),
        data_names=list(dict.fromkeys(record.data.name for record in records.values())),
        fingerprints=len({record.data.fingerprint for record in records.values()}),
        roles=in_order({point.role for found in points.values() for point in found}),
        letters=_letters(points),
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
    """Return every run's models as points: the result under its run's number, others under a letter."""
    found = []
    for number, record in enumerate(records, start=1):
        labels = {"student": str(number), "model": str(number), "alone": "", **LETTERS}
        found += [replace(point, label=labels.get(point.role, "")) for point in points_of(record, cost)]
    up = all(record.protocol.higher_is_better for record in records)
    return without_dominated(list(dict.fromkeys(found)), higher_is_better=up)  # a shared teacher is one point


def _link(folder: Path, out: Path) -> str:
    """Return the way from the page to a run's own report, when it has one."""
    page = folder / "report.html"
    return Path(os.path.relpath(page, out.parent)).as_posix() if page.is_file() else ""


def _letters(points: Mapping[str, list[Point]]) -> str:
    """Say what the letters in the plots stand for."""
    roles = in_order({point.role for found in points.values() for point in found})
    return ", ".join(
        f"{LETTERS[role]} is {'an' if role == 'assistant' else 'a'} {role}"
        for role in roles
        if role in LETTERS
    )


def _run(
    number: str, record: RunRecord, points: Mapping[str, list[Point]], *, name: str, page: str, scheme: bool
) -> _Run:
    unbeaten = [
        COSTS[cost]
        for cost, found in points.items()
        if any(point.label == number and not point.dominated for point in found)
    ]
    outcome = record.gain.verdict if record.gain else ""
    return _Run(
        number=number,
        name=name,
        link=page,
        scheme=(record.scheme.name if record.scheme else "") if scheme else "",
        row=model_row(record, _result(record)),
        gain=mean_gain(record),
        tone={"helped": "better", "hurt": "worse"}.get(outcome, ""),
        unbeaten=unbeaten,
    )


def _names(folders: Sequence[Path]) -> dict[Path, str]:
    """Name runs by the last part of their folders where that tells them apart, else by the whole path."""
    last = [folder.resolve().name for folder in folders]
    unique = len(set(last)) == len(last)
    return {folder: name if unique else str(folder) for folder, name in zip(folders, last, strict=True)}


def _claim(records: Mapping[Path, RunRecord], names: Mapping[Path, str]) -> tuple[str, str]:
    """Say which run scores best, whether another may be as good, and which is the fastest."""
    first = next(iter(records.values()))
    metric, sign = first.protocol.metric, 1 if first.protocol.higher_is_better else -1
    name = formats.metric_name(metric)
    scores: dict[Path, tuple[float, float]] = {}
    for folder, record in records.items():
        score = _result(record).scores.get(metric)
        if score is not None and score.mean is not None:
            scores[folder] = (score.mean, interval(score.values) or 0.0)
    if not scores:
        return f"None of the runs has a known {name}", ""
    best, *others = sorted(scores, key=lambda folder: -sign * scores[folder][0])
    claim = f"{names[best]} scores best: {formats.score(metric, scores[best][0])} {name}"
    near = [
        names[folder]
        for folder in others
        if abs(scores[folder][0] - scores[best][0]) <= scores[folder][1] + scores[best][1]
    ]
    detail = f"Its interval overlaps with that of {', '.join(near)}, so their order is open. " if near else ""
    return claim, detail + _fastest(records, names)


def _fastest(records: Mapping[Path, RunRecord], names: Mapping[Path, str]) -> str:
    latencies = {folder: _result(record).latency_ms for folder, record in records.items()}
    times = {folder: latency.median for folder, latency in latencies.items() if latency}
    if not times:
        return ""
    fastest = min(times, key=lambda folder: times[folder])
    row = model_row(records[fastest], _result(records[fastest]))
    return f"{names[fastest]} is the fastest: {row.latency} at {row.score}."
