"""What a teacher says as its temperature grows, and which temperature teaches best."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from limbeck.errors import LimbeckError
from limbeck.recipes.config import DistillConfig
from limbeck.recipes.finished import Finished
from limbeck.recipes.softening import look, subject_for
from limbeck.recipes.telling import say, show_table
from limbeck.recipes.temperature_points import command_for, configured, grid
from limbeck.recipes.temperature_search import Searching, found
from limbeck.recipes.watching import Show
from limbeck.report.temperature import RULE, search_rows, table_rows, write_temperature
from limbeck.report.temperature_record import Search, TemperatureRecord, read_temperature


def temperature(
    run: str | Path | None = None,
    *,
    teacher: str | None = None,
    teacher_weights: str | None = None,
    teacher_pretrained: bool = False,
    data: str | None = None,
    out: str | Path | None = None,
    size: int | None = None,
    skip_bad: bool = False,
    search: bool = False,
    temperatures: Sequence[float] = (1, 2, 4, 8, 16, 32),
    kd_weights: Sequence[float] = (0.5, 0.9),
    epochs: int | None = None,
    seeds: int | None = None,
    plugins: Sequence[str | Path] = (),
    console: Console | None = None,
) -> TemperatureRecord:
    """Show what a teacher says as its temperature grows; search temperature and weight on validation.

    Writes ``temperature.json`` and ``temperature.html``. Only validation samples are read, so that whatever is
    chosen here, the test score stays honest.

    Args:
        run: a run whose teacher to look at; of a run that trained one model, that model.
        teacher: a spec of a teacher with weights, instead of the run's.
        teacher_weights: a file of weights for ``teacher``.
        teacher_pretrained: use the zoo's trained weights for ``teacher``.
        data: other data than the run's; needed without a run.
        out: folder to write to; the run's unless told.
        size: height and width in pixels that images are brought to, without a run.
        skip_bad: leave out images that cannot be read.
        search: also train the run's student with each temperature and weight, into ``out/search``; the same call
            again goes on where it stopped.
        temperatures: T > 0.
        kd_weights: weights of what the teacher says, 0 to 1, that the search tries.
        epochs: of each training of the search; the run's unless told.
        seeds: students for each temperature and weight; the run's unless told.
        plugins: files of the person's own factories.
        console: where tables and progress are shown; nowhere unless told.

    Returns:
        What was written.

    Raises:
        LimbeckError: neither run nor teacher; a teacher without weights; no classes to soften.

    Example:
        >>> temperature(teacher="mlp:8", data="digits", out="unused")
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: The teacher mlp:8 has no trained weights, ...
    """
    console = console or Console(quiet=True)
    temperatures, kd_weights = _checked(temperatures, kd_weights)
    if (epochs or seeds) and not search:
        raise LimbeckError(
            "epochs and seeds are for the students of a search: add --search, or leave them out."
        )
    if teacher is None and (teacher_weights or teacher_pretrained):
        raise LimbeckError("Weights were given without a teacher: name it with --teacher.")
    if run is None and (teacher is None or data is None or out is None):
        raise LimbeckError("Give a run, or a teacher with --teacher, --data and --out.")
    other = _other(teacher, teacher_weights, teacher_pretrained)
    finished = Finished.open(run, plugins) if run is not None else None
    config = _search_config(finished, other, data, epochs, seeds) if search else None
    subject = subject_for(finished, other, data, size, skip_bad, plugins)
    folder = _folder(Path(out if out is not None else run or ""))
    searching = None
    if config is not None:
        points = grid(config, temperatures, kd_weights)
        taught = (subject.frozen, subject.model.inputs)
        searching = Searching.of(
            config, points, taught, subject.data, subject.task, folder / "search", plugins
        )
    record = look(subject, temperatures, read_temperature(folder))
    _write(record, folder)
    _print_look(record, console)
    if finished is not None and config is not None and searching is not None:
        say(console, _plan_of(searching))
        outcome = found(
            searching,
            searching.run(Show(console)),
            lambda point: command_for(finished, config, teacher, data, point),
        )
        record = record.model_copy(update={"search": outcome})
        _write(record, folder)
        _print_search(outcome, console)
    say(console, f"Page: {folder / 'temperature.html'}")
    return record


def numbers(name: str, text: str) -> list[float]:
    """Return the numbers that ``text`` lists.

    Args:
        name: the flag, for the message.
        text: numbers separated by commas.

    Raises:
        LimbeckError: something else.

    Example:
        >>> numbers("--temperatures", "1,2.5")
        [1.0, 2.5]
    """
    try:
        return [float(each) for each in text.split(",")]
    except ValueError:
        raise LimbeckError(
            f"{name} takes numbers separated by commas, such as 1,2,4, not {text!r}."
        ) from None


def _checked(temperatures: Sequence[float], weights: Sequence[float]) -> tuple[list[float], list[float]]:
    wrong = [each for each in temperatures if not 0 < each < math.inf]
    if wrong or not temperatures:
        raise LimbeckError(
            f"A temperature is a finite number above 0, not {wrong[0] if wrong else 'nothing'}."
        )
    wrong = [each for each in weights if not 0 <= each <= 1]
    if wrong or not weights:
        raise LimbeckError(
            "The search's weights are between 0 and 1, as the labels get the rest, not "
            f"{wrong[0] if wrong else 'nothing'}."
        )
    return sorted(set(temperatures)), sorted(set(weights))


def _other(teacher: str | None, weights: str | None, pretrained: bool) -> dict[str, Any] | None:
    if teacher is None:
        return None
    return {
        "teacher": teacher,
        "teacher_weights": weights,
        "teacher_pretrained": pretrained,
        "teacher_size": None,
    }


def _search_config(
    finished: Finished | None,
    other: dict[str, Any] | None,
    data: str | None,
    epochs: int | None,
    seeds: int | None,
) -> DistillConfig:
    if finished is None:
        raise LimbeckError(
            "--search trains a run's student, so it needs a run: limbeck temperature RUN --search."
        )
    return configured(finished, other, data=data, epochs=epochs, seeds=seeds)


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LimbeckError(f"Cannot make the output folder {path}: {error.strerror}.") from error
    return path


def _write(record: TemperatureRecord, folder: Path) -> None:
    record.write(folder)
    write_temperature(folder)


def _print_look(record: TemperatureRecord, console: Console) -> None:
    heads = [
        "T",
        "entropy\nnats",
        "entropy\nof log C",
        "classes\neffective",
        "likeliest",
        "true",
        "wrong\nlargest",
    ]
    title = f"{record.teacher} on {record.samples:,} validation samples of {record.data}, {record.classes} classes"
    show_table(console, heads, table_rows(record), title)
    say(console, RULE)


def _plan_of(searching: Searching) -> str:
    points, seeds, left = len(searching.points), len(searching.seeds), searching.left()
    before = points * seeds - left
    kept = f", {before} of them done before" if before else ""
    plural = "s" if seeds > 1 else ""
    return (
        f"Search: {points} settings × {seeds} seed{plural} = {points * seeds} trainings{kept}; "
        "test samples stay unread."
    )


def _print_search(search: Search, console: Console) -> None:
    several = len(search.seeds) > 1
    score = f"validation {search.metric}" + ("\n± std" if several else "")
    heads = ["T", "weight", score, "over the run's own" + ("\n± 95 %" if several else ""), ""]
    show_table(console, heads, search_rows(search))
    say(console, search.sentence)
    say(console, f"Distil with the best: {search.command}")
