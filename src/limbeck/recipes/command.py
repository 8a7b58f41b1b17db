"""What the command line's training verbs do: run the recipe, then say what came of it and where it is."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from limbeck.errors import Stopped
from limbeck.recipes.config import DistillConfig, TrainConfig
from limbeck.recipes.distillation import distill
from limbeck.recipes.settings import settings_from
from limbeck.recipes.telling import say
from limbeck.recipes.training import train
from limbeck.recipes.watching import Show
from limbeck.report import RunRecord, formats, model_rows, verdict
from limbeck.report.parts import part_rows
from limbeck.report.spending import kept, waiting
from limbeck.report.trainings import privacy_claim
from limbeck.train.engine import processes

SHORT_ROLES = {"student alone": "alone", "student distilled": "distilled"}
"""For a terminal of 80 columns."""

Layers = Sequence[Mapping[str, Any]]


def run_distill(
    layers: Layers, out: Path, *, plugins: Sequence[Path], resume: bool, console: Console
) -> None:
    """Distil as the layers of settings say, and print the outcome."""
    settings = settings_from(DistillConfig, *layers).model_dump()
    teachers = [each for each in (settings.pop("teacher"), *settings.pop("teachers")) if each is not None]
    names = {key: settings.pop(key) for key in ("student", "data")}
    try:
        result = distill(
            teachers, **names, out=out, plugins=_texts(plugins), resume=resume, show=Show(console), **settings
        )
    except KeyboardInterrupt as error:
        raise _stopped("distill", out, plugins) from error
    print_outcome(result.record, out, console)


def run_train(layers: Layers, out: Path, *, plugins: Sequence[Path], resume: bool, console: Console) -> None:
    """Train as the layers of settings say, and print the outcome."""
    settings = settings_from(TrainConfig, *layers).model_dump()
    names = {key: settings.pop(key) for key in ("model", "data")}
    try:
        result = train(
            **names, out=out, plugins=_texts(plugins), resume=resume, show=Show(console), **settings
        )
    except KeyboardInterrupt as error:
        raise _stopped("train", out, plugins) from error
    print_outcome(result.record, out, console)
    if processes()[0] == 0:
        say(console, f"Use it as a model: run:{out}")


def print_outcome(record: RunRecord, out: Path, console: Console) -> None:
    """Print the models side by side, the verdict, and where the report is; by the first process alone."""
    if processes()[0] != 0:
        return
    rows = [
        (SHORT_ROLES.get(row.role, row.role), row.name, row.score, row.parameters, row.bytes, row.latency)
        for row in model_rows(record)
    ]
    columns = ("", "model", record.protocol.metric, "parameters", "bytes", "latency")
    console.print(_narrow_table(columns, rows))
    _print_parts(record, console)
    for note in (*record.data.notes, *record.notes):
        say(console, f"Note: {note}")
    if record.skipped:
        say(console, f"Note: left out as unreadable: {len(record.skipped)} files.")
    say(console, verdict(record).sentence)
    for each in kept(record):
        say(console, each)
    if told := waiting(record):
        say(console, told)
    if record.privacy is not None:
        say(console, f"Differential privacy: {privacy_claim(record.privacy)}.")
    say(console, f"Report: {out / 'report.html'}")


def _print_parts(record: RunRecord, console: Console) -> None:
    """Print what was measured on parts of the data, where anything was."""
    found = part_rows(record)
    if not found:
        return
    with_student = any(row.student != formats.UNKNOWN for row in found)
    columns = (
        "",
        "model",
        record.protocol.metric,
        *(("distilled", "over it") if with_student else ()),
        "part",
    )
    rows = [
        (row.title, row.name, row.taught, *((row.student, row.difference) if with_student else ()), row.part)
        for row in found
    ]
    console.print()
    console.print(_narrow_table(columns, rows))


def _narrow_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table for 80 columns: where they are not enough, names give way and numbers stay."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, cells in zip(columns, zip(*rows, strict=True), strict=True):
        width = max(map(len, (name, *cells)))
        if name in ("model", "part"):
            table.add_column(name, overflow="ellipsis", no_wrap=True, max_width=22)
        else:
            table.add_column(name, justify="right" if name else "left", no_wrap=True, min_width=width)
    for row in rows:
        table.add_row(*(Text(each) for each in row))
    return table


def _texts(plugins: Sequence[Path]) -> list[str]:
    return [str(each) for each in plugins]


def _stopped(verb: str, out: Path, plugins: Sequence[Path]) -> Stopped:
    if not (out / "config.yaml").exists():
        return Stopped("stopped before the run began; nothing was written.")
    words = ["limbeck", verb, "--resume", str(out)]
    for each in plugins:
        words += ["--plugin", str(each)]
    return Stopped(f"stopped. Go on with: {shlex.join(words)}")
