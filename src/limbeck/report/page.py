"""One self-contained HTML page for a run: its verdict, evidence, cost and provenance."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import yaml

from limbeck.files import write_text
from limbeck.report import formats, sections, trainings
from limbeck.report.class_figures import class_bars, confusion_changes, pair_bars
from limbeck.report.fidelity import closeness
from limbeck.report.figures import curves, seeds
from limbeck.report.headline import numbers, plural
from limbeck.report.measurements import Confusion, History, read_confusion, read_history
from limbeck.report.pareto import COSTS, pareto
from limbeck.report.parts import part_rows
from limbeck.report.record import RunRecord, read_run
from limbeck.report.roles import distilled_by, family, has_several_teachers, in_order, network_facts
from limbeck.report.spending import kept, overhead, spending, waiting
from limbeck.report.tables import class_rows, pair_changes, points_of
from limbeck.report.verdict import verdict

__all__ = ["render", "write_report"]

_TEMPLATES = Path(__file__).parent / "templates"
_LARGEST_MATRIX = 12
"""With more classes the heat map cannot be read: the most changed pairs are drawn instead."""


def write_report(folder: str | Path) -> Path:
    """Write ``report.html`` into a run folder: the run's verdict, evidence, cost and provenance on one page.

    Args:
        folder: a finished run, of any kind.

    Returns:
        The path of the page, which needs no other file and no network.

    Raises:
        LimbeckError: the folder holds no finished run, or one of its files is damaged.

    Example:
        >>> write_report("no/such/run")
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: No finished run in no/such/run: the folder does not exist. ...
    """
    folder = Path(folder)
    record = read_run(folder)
    classes = len(record.data.classes) if record.data.classes else None
    page = render(
        "report.html.j2",
        record=record,
        verdict=verdict(record),
        chain=sections.chain(record),
        scheme=record.scheme if distilled_by(record) else None,
        several=has_several_teachers(record),
        numbers=numbers(record),
        gap=sections.gap(record),
        seed_count=plural(len(record.seeds), "seed"),
        metric_name=formats.metric_name(record.protocol.metric),
        table=sections.model_table(record),
        parts=part_rows(record),
        seeds_figure=seeds(record),
        seed_rows=sections.seed_rows(record),
        mean_gain=sections.mean_gain(record),
        latency_note=sections.latency_note(record),
        cost_figures=_cost_figures(record),
        closeness=closeness(record),
        spending=spending(record),
        overhead=overhead(record),
        waiting=waiting(record),
        kept=kept(record),
        provenance=sections.provenance(record),
        config=_config(folder, record),
        **_training(record, read_history(folder)),
        **_per_class(record, read_confusion(folder, classes)),
        **_procedure(record),
    )
    path = folder / "report.html"
    write_text(path, page)
    return path


def render(template: str, **values: object) -> str:
    """Fill a template of this room; everything but our own drawings is escaped.

    Args:
        template: a file in ``templates``.
        **values: what it shows.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined)
    environment.filters |= {
        "percent": lambda share: formats.UNKNOWN if share is None else f"{100 * share:.1f}",
        "points": lambda change: formats.UNKNOWN if change is None else _signed(100 * change),
        "signed": _signed,
        "mistakes": lambda number: f"{number:.1f}",
        "tone": _tone,
    }
    script = (_TEMPLATES / "copy.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template(template).render(
        style=Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=f"sha256-{digest}",  # the page's policy runs this script and no other
        drawn=Markup,
        **values,
    )


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", formats.MINUS)


def _tone(change: float | None) -> str:
    return "" if not change else "better" if change > 0 else "worse"


def _config(folder: Path, record: RunRecord) -> str:
    path = folder / "config.yaml"
    if path.is_file():
        return path.read_text(encoding="utf-8", errors="replace").strip()
    return str(yaml.safe_dump(record.recipe, sort_keys=False, allow_unicode=True)).strip()


def _training(record: RunRecord, history: History) -> dict[str, object]:
    metric = record.protocol.metric
    name, found = formats.metric_name(metric), _comparable(record, history)
    drawn = [network for column in (f"val_{metric}", "loss") for network in found.roles(column)]
    return {
        "score_curve": curves(found, f"val_{metric}", metric, f"Validation {name} over epochs"),
        "loss_curve": curves(found, "loss", "loss", "Training loss over epochs"),
        "curve_roles": in_order({family(network) for network in drawn}),
        "numbered": any(network.rpartition("-")[2].isdigit() for network in drawn),
    }


def _comparable(record: RunRecord, history: History) -> History:
    """Return the curves of the networks that learn all of the data."""
    networks = {network for found in history.values.values() for network in found}
    facts = {network: network_facts(record, network) for network in networks}
    return history.without({network for network, found in facts.items() if found and found.part != "all"})


def _per_class(record: RunRecord, confusion: Confusion) -> dict[str, Any]:
    rows = class_rows(record, confusion)
    shown, hidden = sections.class_extremes(rows)
    pairs = pair_changes(record, confusion)
    small = len(rows) <= _LARGEST_MATRIX
    return {
        "classes": shown,
        "hidden_classes": hidden,
        "uneven": sections.uneven(rows),
        "sample_weight": sections.sample_weight(rows),
        "class_figure": class_bars(shown),
        "pairs": pairs,
        "confusion_figure": confusion_changes(record, confusion) if small else pair_bars(pairs),
        "confusion_is_matrix": small,
    }


def _procedure(record: RunRecord) -> dict[str, Any]:
    return {
        "trainings": trainings.trainings(record),
        "bias_classes": trainings.bias_classes(record),
        "bias_rows": trainings.bias_rows(record),
        "privacy_claim": trainings.privacy_claim(record.privacy) if record.privacy else "",
        "privacy_rows": trainings.privacy_rows(record.privacy) if record.privacy else [],
    }


def _cost_figures(record: RunRecord) -> list[tuple[str, str]]:
    metric, up = record.protocol.metric, record.protocol.higher_is_better
    points = {cost: points_of(record, cost) for cost in COSTS}
    return [
        (COSTS[cost], pareto(each, cost, metric, higher_is_better=up, compare=False))
        for cost, each in points.items()
        if len(each) > 1
    ]
