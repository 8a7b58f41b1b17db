"""How training went: curves over epochs, and the paired seeds; each figure is an inline SVG."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from limbeck.report import formats
from limbeck.report.measurements import Curve, History
from limbeck.report.record import RunRecord
from limbeck.report.roles import MOST_ALIKE, family
from limbeck.report.svg import ALONE, DASHES, PAPER, ROLE_COLOURS, STUDENT, TEACHER, bare_axes, draw
from limbeck.report.tables import seed_scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["curves", "seeds"]

_WIDTH = 380


def curves(history: History, column: str, metric: str, label: str) -> str:
    """Draw a column of the history over epochs: the mean over seeds, and their range as a band.

    Networks of one role that are numbered (``assistant-1``) are thin lines with their numbers, without bands.

    Args:
        history: the run's curves, by network.
        column: such as ``val_accuracy`` or ``loss``.
        metric: what the column holds; decides how the axis is written.
        label: description for those who cannot see it.

    Returns:
        The drawing, or nothing when no epoch has a value.
    """
    found = {network: history.mean(column, network) for network in history.roles(column)}
    drawn = {network: curve for network, curve in found.items() if family(network) in ROLE_COLOURS and curve}
    if not drawn:
        return ""
    crowded = {
        role for role in map(family, drawn) if sum(family(each) == role for each in drawn) > MOST_ALIKE
    }

    def paint(figure: "Figure") -> None:
        axes = bare_axes(figure)
        for network, curve in drawn.items():
            _paint_curve(axes, network, curve, numbered=family(network) not in crowded)
        _frame_curves(axes, list(drawn.values()), metric)

    return draw(f"curve-{column}", label, _WIDTH, 235, paint)


def _paint_curve(axes: "Axes", network: str, curve: Curve, *, numbered: bool) -> None:
    role, number = family(network), network.rpartition("-")[2]
    epochs, means, lows, highs = (list(values) for values in zip(*curve, strict=True))
    colour, marker = ROLE_COLOURS[role], "o" if len(epochs) == 1 else ""
    line: dict[str, Any] = {"color": colour, "linestyle": DASHES.get(role, "-"), "marker": marker}
    if not number.isdigit():
        axes.fill_between(epochs, lows, highs, color=colour, alpha=0.16, linewidth=0)
        axes.plot(epochs, means, linewidth=2, **line)
        return
    axes.plot(epochs, means, linewidth=1.4, alpha=0.8 if numbered else 0.3, **line)
    if numbered:
        aside = 3 + 8 * (int(number) % 3), 0  # lines often end close to one another
        text = axes.annotate(number, (epochs[-1], means[-1]), aside, textcoords="offset points", va="center")
        text.set(fontsize=9.5, weight="bold", color=colour)


def _frame_curves(axes: "Axes", drawn: list[Curve], metric: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(FuncFormatter(formats.tick(metric)))
    # The first epochs would squeeze what matters into a corner: frame what comes after them.
    settled = [point for curve in drawn for point in curve[len(curve) // 8 :]]
    low, high = min(point[2] for point in settled), max(point[3] for point in settled)
    margin = 0.06 * (high - low) or 0.01 * abs(high) or 1.0
    axes.set_ylim(low - margin, high + margin)
    axes.margins(x=0.02)


def seeds(record: RunRecord) -> str:
    """Draw the paired seeds: for each, the test score alone and distilled, joined by a line.

    Returns:
        The drawing, or nothing when the student was not trained alone.
    """
    metric = record.protocol.metric
    alone, student = seed_scores(record, "alone"), seed_scores(record, "student")
    if not alone or len(alone) != len(student):
        return ""
    teacher = _teacher_in_view(record, [*alone, *student])

    def paint(figure: "Figure") -> None:
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        axes = bare_axes(figure, grid="x")
        rows = np.arange(len(alone))
        if teacher is not None:
            axes.axvline(teacher, color=TEACHER, linewidth=2, linestyle=DASHES["teacher"])
        better = np.greater(student, alone) == record.protocol.higher_is_better
        for row in rows:
            colour = STUDENT if better[row] else ALONE
            axes.plot([alone[row], student[row]], [row, row], color=colour, linewidth=2, alpha=0.5, zorder=2)
        axes.scatter(alone, rows, s=52, facecolor=PAPER, edgecolor=ALONE, linewidth=2, zorder=3)
        axes.scatter(student, rows, s=60, color=STUDENT, zorder=4)
        axes.set_yticks(rows, [f"seed {seed}" for seed in record.seeds[: len(alone)]])
        axes.set_ylim(len(alone) - 0.4, -0.6)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.xaxis.set_major_formatter(FuncFormatter(formats.tick(metric)))
        axes.margins(x=0.06)

    label = f"Test {formats.metric_name(metric)} of each seed, alone and distilled"
    return draw("seeds", label, _WIDTH, 32 + 28.5 * len(alone), paint)


def _teacher_in_view(record: RunRecord, others: Sequence[float]) -> float | None:
    """Return the teacher's score unless showing it would squeeze the students' into a corner."""
    found = seed_scores(record, "teacher")
    if not found:
        return None
    mean = sum(found) / len(found)
    spread = max(others) - min(others)
    far = max(mean - max(others), min(others) - mean)
    return mean if far <= 2.5 * spread else None
