"""The page of a look at a teacher's temperature: how uncertain it becomes, and what a search found."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from limbeck.errors import LimbeckError
from limbeck.files import write_text
from limbeck.report import formats
from limbeck.report.page import render
from limbeck.report.svg import ALONE, INK, MUTED, STUDENT, TEACHER, bare_axes, draw, plain_text
from limbeck.report.temperature_record import Example, Search, TemperatureRecord, Trial, read_temperature

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["RULE", "write_temperature"]

RULE = "Higher T when the wrong classes carry information, lower T to suppress their noise."

_DASHES = ("-", (0, (5, 2.5)), (0, (1, 1.8)), (0, (5, 2, 1, 2)))


def write_temperature(folder: str | Path) -> Path:
    """Write ``temperature.html`` from the ``temperature.json`` beside it.

    Args:
        folder: where ``limbeck temperature`` wrote its record.

    Returns:
        The path of the page, which needs no other file and no network.

    Raises:
        LimbeckError: there is no record, or it is damaged.

    Example:
        >>> write_temperature("no/such/folder")
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: There is no temperature.json in no/such/folder: limbeck temperature ...
    """
    folder = Path(folder)
    record = read_temperature(folder)
    if record is None:
        raise LimbeckError(f"There is no temperature.json in {folder}: limbeck temperature writes one.")
    page = render(
        "temperature.html.j2",
        record=record,
        rule=RULE,
        claim=_claim(record),
        rows=table_rows(record),
        entropy_figure=_entropy(record),
        share_figure=_shares(record),
        examples=[(each, _example(record, each)) for each in record.examples],
        search=record.search,
        search_figure=_search(record.search) if record.search else "",
        search_rows=search_rows(record.search) if record.search else [],
    )
    path = folder / "temperature.html"
    write_text(path, page)
    return path


def table_rows(record: TemperatureRecord) -> list[list[str]]:
    """Return the table as people read it: T, entropy, its share of log C, effective classes, probabilities."""
    return [
        [
            f"{row.temperature:g}",
            f"{row.entropy:.3f}",
            _percent(row.entropy_share),
            f"{row.effective_classes:.2f}",
            _percent(row.top),
            _percent(row.true),
            _percent(row.largest_wrong),
        ]
        for row in record.rows
    ]


def search_rows(search: Search) -> list[list[str]]:
    """Return the search's table: T, weight, validation score, difference from the run's own settings, remark."""
    return [
        [
            f"{trial.temperature:g}",
            f"{trial.kd_weight:g}",
            _score(search.metric, trial),
            _difference(search.metric, trial),
            ", ".join(_remarks(search, number)),
        ]
        for number, trial in enumerate(search.trials)
    ]


def _claim(record: TemperatureRecord) -> str:
    first, last = record.rows[0], record.rows[-1]
    claim = (
        f"At T = {first.temperature:g} the teacher hesitates between {first.effective_classes:.1f} classes"
    )
    if first == last:
        return f"{claim} of {record.classes}"
    return f"{claim}, at T = {last.temperature:g} between {last.effective_classes:.1f} of {record.classes}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}{formats.GAP}%"


def _score(metric: str, trial: Trial) -> str:
    text = formats.score(metric, trial.score.mean)
    return (
        text
        if trial.score.std is None
        else f"{text} ± {formats.points(metric, trial.score.std, signed=False)}"
    )


def _difference(metric: str, trial: Trial) -> str:
    if trial.over_own is None:
        return formats.UNKNOWN
    mean, interval = trial.over_own.mean, trial.over_own.ci95
    text = formats.points(metric, mean)
    # Student's interval is symmetric, so its half width says it all
    return (
        text if interval is None else f"{text} ± {formats.points(metric, interval[1] - mean, signed=False)}"
    )


def _remarks(search: Search, number: int) -> list[str]:
    return [word for word, at in (("best", search.best), ("own", search.own)) if number == at]


def _entropy(record: TemperatureRecord) -> str:
    temperatures = [row.temperature for row in record.rows]
    shares = [row.entropy_share for row in record.rows]

    def paint(figure: "Figure") -> None:
        axes = bare_axes(figure)
        axes.fill_between(temperatures, shares, color=TEACHER, alpha=0.12, linewidth=0)
        axes.plot(temperatures, shares, color=TEACHER, linewidth=2, marker="o", markersize=5)
        _frame(axes, temperatures, formats.tick("accuracy"))
        axes.set_ylim(0, 1.04)

    return draw(
        "temperature-entropy", "Entropy of the teacher over temperature, share of log C", 440, 270, paint
    )


def _shares(record: TemperatureRecord) -> str:
    temperatures = [row.temperature for row in record.rows]
    lines = {
        "likeliest class": ([row.top for row in record.rows], TEACHER, "-"),
        "true class": ([row.true for row in record.rows], STUDENT, (0, (5, 2.5))),
        "largest of the wrong": ([row.largest_wrong for row in record.rows], ALONE, (0, (1, 1.8))),
    }

    def paint(figure: "Figure") -> None:
        axes = bare_axes(figure)
        for name, (values, colour, dashes) in lines.items():
            axes.plot(
                temperatures,
                values,
                color=colour,
                linestyle=dashes,
                linewidth=2,
                marker="o",
                markersize=4,
                label=name,
            )
        _frame(axes, temperatures, formats.tick("accuracy"))
        axes.set_ylim(0, 1.04)
        _legend(axes, 3)

    label = "Probabilities of the likeliest and the true class, and share of the largest wrong one, over temperature"
    return draw("temperature-shares", label, 440, 270, paint)


def _example(record: TemperatureRecord, example: Example) -> str:
    """Draw one sample's distribution: a column for each temperature, a row for each class."""
    temperatures = [row.temperature for row in record.rows]

    def paint(figure: "Figure") -> None:
        from matplotlib.patches import Rectangle

        axes = bare_axes(figure)
        axes.grid(visible=False)
        axes.spines["bottom"].set_visible(False)
        for column, shares in enumerate(example.shares):
            for row, share in enumerate(shares):
                colour = STUDENT if example.classes[row] == example.true else TEACHER
                # a bar as well as a number, since small shares differ by length and not by shade
                axes.add_patch(Rectangle((column + 0.04, row - 0.4), 0.92, 0.8, facecolor=colour, alpha=0.07))
                axes.add_patch(
                    Rectangle((column + 0.04, row - 0.4), 0.92 * share, 0.8, facecolor=colour, alpha=0.5)
                )
                axes.text(column + 0.5, row, _short(share), ha="center", va="center", fontsize=9.5, color=INK)
        axes.set_xlim(0, len(temperatures))
        axes.set_ylim(len(example.classes) - 0.4, -0.6)
        axes.set_yticks(range(len(example.classes)), [plain_text(name, 14) for name in example.classes])
        axes.set_xticks([at + 0.5 for at in range(len(temperatures))], [f"{each:g}" for each in temperatures])
        axes.set_xlabel("temperature")

    label = (
        f"What the teacher says of sample {example.index}, a {example.true}, at each temperature, in per cent"
    )
    return draw(f"example-{example.index}", label, 440, 56 + 24 * len(example.classes), paint)


def _short(share: float) -> str:
    if share < 0.0005:
        return "0"
    return f"{100 * share:.{1 if share < 0.0995 else 0}f}"


def _search(search: Search) -> str:
    """Draw the validation score over temperature, a line for each weight, with ±1 standard deviation."""
    weights = sorted({trial.kd_weight for trial in search.trials}, reverse=True)
    lines = {weight: [trial for trial in search.trials if trial.kd_weight == weight] for weight in weights}
    temperatures = sorted({trial.temperature for trial in search.trials})

    def paint(figure: "Figure") -> None:
        axes = bare_axes(figure)
        for number, (weight, trials) in enumerate(lines.items()):
            colour = (STUDENT, TEACHER, ALONE, MUTED)[number % 4]
            found = sorted(
                (trial.temperature, trial.score.mean or 0.0, trial.score.std or 0.0) for trial in trials
            )
            at, means, spreads = (list(values) for values in zip(*found, strict=True))
            axes.errorbar(
                at, means, spreads, color=colour, linestyle=_DASHES[number % 4], linewidth=2, elinewidth=1.2,
                marker="o", markersize=5, label=f"weight {weight:g}",
            )  # fmt: skip
        own = search.trials[search.own]
        axes.scatter(
            [own.temperature], [own.score.mean or 0.0], s=130, facecolor="none", edgecolor=INK, zorder=4,
            linewidth=1.4, label="the run's own",
        )  # fmt: skip
        _frame(axes, temperatures, formats.tick(search.metric))
        _legend(axes, 3)

    name = formats.metric_name(search.metric)
    return draw("temperature-search", f"Validation {name} over temperature for each weight", 440, 270, paint)


def _frame(axes: "Axes", temperatures: Sequence[float], write: Callable[[float, int], str]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

    axes.set_xscale("log")
    axes.set_xticks(temperatures, [f"{each:g}" for each in temperatures])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("temperature")
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(FuncFormatter(write))
    axes.margins(x=0.05, y=0.1)


def _legend(axes: "Axes", columns: int) -> None:
    """Name the lines above the drawing, where none of them runs."""
    axes.legend(
        frameon=False, fontsize=10, handlelength=2.4, columnspacing=1.4, handletextpad=0.5, ncols=columns,
        loc="lower left", bbox_to_anchor=(-0.03, 1.0), borderaxespad=0.2,
    )  # fmt: skip
