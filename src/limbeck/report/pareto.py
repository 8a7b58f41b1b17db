"""Score against cost, for one run or many: what is worth its latency, bytes or multiply-accumulates."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from limbeck.report import formats
from limbeck.report.svg import LINE, MUTED, PAPER, ROLE_COLOURS, STUDENT, bare_axes, draw
from limbeck.report.tables import Point, without_dominated

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COSTS", "pareto"]

COSTS = {"latency": "latency", "bytes": "size", "macs": "MACs"}
"""Kind of cost to its name on an axis."""

_WRITERS = {"latency": formats.milliseconds, "bytes": formats.size, "macs": formats.count}


def pareto(points: Sequence[Point], cost: str, metric: str, *, higher_is_better: bool, compare: bool) -> str:
    """Draw score against one cost; points that another one beats are faint.

    Args:
        points: the models, of one run or of several.
        cost: ``latency``, ``bytes`` or ``macs``.
        metric: the score.
        higher_is_better: whether a larger score is better.
        compare: draw the border of the undominated points and write the labels inside the marks.

    Returns:
        The drawing, or nothing when there is no point.
    """
    if not points:
        return ""
    marked = without_dominated(points, higher_is_better=higher_is_better)

    def paint(figure: "Figure") -> None:
        axes = bare_axes(figure, grid="both")
        if compare:
            _paint_border(axes, marked)
        else:
            _paint_gain(axes, marked)
        for point in marked:
            _paint_point(axes, point, compare=compare)
        _frame(axes, marked, cost, metric, higher_is_better=higher_is_better)

    label = f"{formats.metric_name(metric)} against {COSTS[cost]}"
    return draw(f"pareto-{cost}", label, 290, 250 if compare else 200, paint)


def _paint_border(axes: "Axes", points: Sequence[Point]) -> None:
    border = sorted((point.cost, point.score) for point in points if not point.dominated)
    costs, scores = zip(*border, strict=True)
    axes.plot(costs, scores, color=MUTED, linewidth=1.2, drawstyle="steps-post", alpha=0.7, zorder=1)


def _paint_gain(axes: "Axes", points: Sequence[Point]) -> None:
    """Draw the way from alone to distilled: same cost, another score."""
    ends = {point.role: (point.cost, point.score) for point in points}
    if {"alone", "student"} <= set(ends):
        costs, scores = zip(ends["alone"], ends["student"], strict=True)
        axes.plot(costs, scores, color=STUDENT, linewidth=2, alpha=0.5, zorder=1)


def _paint_point(axes: "Axes", point: Point, *, compare: bool) -> None:
    beaten = compare and point.dominated
    colour = MUTED if beaten else ROLE_COLOURS[point.role]
    if point.half_width is not None:
        ends = [point.score - point.half_width, point.score + point.half_width]
        axes.plot([point.cost] * 2, ends, color=colour, linewidth=1.5, alpha=0.4, zorder=2)
    hollow = beaten or point.role == "alone"
    labelled = compare and point.label
    marker, area = ("D", 120) if point.role == "teacher" else ("o", 170)
    axes.scatter(
        [point.cost],
        [point.score],
        s=area if labelled else 48,
        facecolor=PAPER if hollow else colour,
        edgecolor=LINE if beaten and labelled else colour,
        linewidth=2,
        marker=marker,
        zorder=2.5 if beaten else 3,
    )
    if labelled:
        colour = MUTED if beaten else PAPER
        text = axes.text(
            point.cost, point.score, point.label, ha="center", va="center_baseline", color=colour
        )
        text.set(fontsize=9.5, weight="bold", zorder=4)


def _frame(axes: "Axes", points: Sequence[Point], cost: str, metric: str, *, higher_is_better: bool) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    costs = [point.cost for point in points]
    if min(costs) > 0 and max(costs) / min(costs) > 20:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(10, subs=(1.0, 3.0), numticks=8))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.margins(x=0.12, y=0.14)
    else:
        axes.margins(x=0.12, y=0.14)
        axes.set_xlim(0, 1.12 * max(costs) or 1.0)
        axes.xaxis.set_major_locator(MaxNLocator(4))
    write = _WRITERS[cost]
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: formats.short(write(value)) if value else "0")
    )
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(formats.tick(metric)))
    if not higher_is_better:
        axes.invert_yaxis()  # better is up, always
