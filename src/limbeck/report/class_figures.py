"""Where the classes moved: recalls, the confusion matrix, the pairs taken for each other; inline SVG."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from limbeck.report import formats
from limbeck.report.measurements import Confusion
from limbeck.report.record import RunRecord
from limbeck.report.svg import (
    ALONE,
    BETTER,
    INK,
    LINE,
    MUTED,
    PAPER,
    STUDENT,
    TEACHER,
    WORSE,
    bare_axes,
    draw,
    plain_text,
)
from limbeck.report.tables import ClassRow, Pair

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["class_bars", "confusion_changes", "pair_bars"]


def class_bars(rows: Sequence[ClassRow]) -> str:
    """Draw each class's recall alone and distilled, joined by a line, with the teacher's as a mark.

    Args:
        rows: the classes to draw, from top to bottom.
    """
    if not rows:
        return ""

    def paint(figure: "Figure") -> None:
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        axes = bare_axes(figure, grid="x")
        for place, row in enumerate(rows):
            _paint_class(axes, place, row)
        axes.set_yticks(range(len(rows)), [plain_text(row.name) for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.xaxis.set_major_formatter(FuncFormatter(formats.tick("accuracy")))
        axes.margins(x=0.05)

    return draw("classes", "Share of each class recognised", 380, 28 + 26.5 * len(rows), paint)


def _paint_class(axes: "Axes", place: int, row: ClassRow) -> None:
    if row.teacher is not None:
        axes.scatter([row.teacher], [place], s=40, color=TEACHER, marker="D", zorder=2.5)
    if row.student is None:
        return
    if row.alone is not None:
        colour = BETTER if row.student >= row.alone else WORSE
        axes.plot([row.alone, row.student], [place] * 2, color=colour, linewidth=3, alpha=0.55, zorder=2)
        axes.scatter([row.alone], [place], s=44, facecolor=PAPER, edgecolor=ALONE, linewidth=2, zorder=3)
    axes.scatter([row.student], [place], s=50, color=STUDENT, zorder=4)


def confusion_changes(record: RunRecord, confusion: Confusion) -> str:
    """Draw how the shares of each true class moved from alone to distilled, in points, as a heat map.

    More right answers and fewer mistakes have the colour of better, the rest that of worse.

    Args:
        record: the run; its classes name rows and columns.
        confusion: role to (C, C) counts; both ``alone`` and ``student`` are needed.
    """
    if record.data.classes is None or not {"alone", "student"} <= set(confusion):
        return ""
    names = record.data.classes
    totals = np.maximum(confusion["student"].sum(axis=1, keepdims=True), 1)
    change = 100 * (confusion["student"] - confusion["alone"]) / totals
    side = len(names)
    peak = float(np.abs(change).max()) or 1.0

    def paint(figure: "Figure") -> None:
        from matplotlib.patches import Rectangle

        axes = bare_axes(figure, grid="x")
        axes.grid(visible=False)
        for row, column in np.ndindex(side, side):
            value = float(change[row, column])
            better = value > 0 if row == column else value < 0
            colour = LINE if not value else BETTER if better else WORSE
            alpha = 0.08 + 0.62 * abs(value) / peak if value else 0.35
            cell = Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, facecolor=colour, alpha=alpha, lw=0)
            axes.add_patch(cell)
            if abs(value) >= 0.05:
                text = f"{value:+.1f}".replace("-", formats.MINUS)
                axes.text(column, row, text, ha="center", va="center", fontsize=9.5, color=INK)
        _frame_matrix(axes, names)

    return draw(
        "confusion", "Change of the confusion matrix, student minus alone", 400, 50 + 34 * side, paint
    )


def _frame_matrix(axes: "Axes", names: Sequence[str]) -> None:
    side = len(names)
    axes.set_xlim(-0.5, side - 0.5)
    axes.set_ylim(side - 0.5, -0.5)
    short = [plain_text(name, 10) for name in names]
    turned = max(len(name) for name in short) > 3
    axes.set_xticks(range(side), short, rotation=45 if turned else 0, ha="right" if turned else "center")
    if turned:
        for text in axes.get_xticklabels():
            text.set_rotation_mode("anchor")
    axes.set_yticks(range(side), short)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")


def pair_bars(pairs: Sequence[Pair]) -> str:
    """Draw the most changed pairs of classes as bars of mistakes per seed; for runs with many classes.

    Args:
        pairs: the pairs, the most changed first.
    """
    if not pairs:
        return ""

    def paint(figure: "Figure") -> None:
        axes = bare_axes(figure, grid="x")
        places = range(len(pairs))
        colours = [BETTER if pair.change < 0 else WORSE for pair in pairs]
        axes.barh(places, [pair.change for pair in pairs], color=colours, height=0.62, alpha=0.8)
        axes.axvline(0, color=MUTED, linewidth=1)
        names = [f"{plain_text(pair.true)} → {plain_text(pair.predicted)}" for pair in pairs]
        axes.set_yticks(places, names)
        axes.set_ylim(len(pairs) - 0.4, -0.6)
        axes.set_xlabel("mistakes per seed, student minus alone")

    return draw("pairs", "Pairs of classes whose confusion changed most", 400, 42 + 27 * len(pairs), paint)
