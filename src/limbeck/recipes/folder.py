"""The folder of one run: made once, never written over, resumable."""

import csv
import io
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from limbeck.errors import LimbeckError
from limbeck.files import NoSpaceError, write_text
from limbeck.recipes.config_file import as_yaml, read_yaml
from limbeck.recipes.tracking import refuse_missing
from limbeck.train.checkpoint import differences
from limbeck.train.engine import Engine, processes, wait_for_all
from limbeck.train.plan import Plan
from limbeck.train.state import CIRCUMSTANCES


def refuse_taken(out: str | Path) -> Path:
    """Return ``out`` as a path if a run may be written there.

    Raises:
        LimbeckError: something is there already.
    """
    path = Path(out)
    if path.is_dir() and not any(path.iterdir()):
        return path
    if path.exists():
        resume = (
            f", or go on with it by --resume {shlex.quote(str(path))}"
            if (path / "config.yaml").exists()
            else ""
        )
        raise LimbeckError(f"The output folder {path} exists already: choose another{resume}.")
    return path


def begin(out: Path, config: BaseModel) -> None:
    """Make the run's folder and write its configuration.

    Raises:
        LimbeckError: the folder cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LimbeckError(f"Cannot make the output folder {out}: {error.strerror}.") from error
    try:
        write_text(out / "config.yaml", as_yaml(config))
    except NoSpaceError as error:
        raise LimbeckError(
            f"No space is left to begin a run in {out}: free some, then give the same command."
        ) from error


def check_place(out: str | Path, resume: bool, plans: Sequence[Plan | None], trackers: Sequence[str]) -> None:
    """Refuse what would otherwise be found only after the folder is made.

    Args:
        out: the run folder.
        resume: whether a run there goes on.
        plans: of all trainings; their device must be there and able to compute in their precision.
        trackers: must be installed.

    Raises:
        LimbeckError: the folder is taken; no such device; a tracker that is not installed.
    """
    for plan in plans:
        if plan is not None:
            Engine(plan)
    if not resume and processes()[0] == 0:
        refuse_taken(out)
    refuse_missing(trackers)


def open_folder(out: str | Path, config: BaseModel, resume: bool) -> Path:
    """Make the run's folder, or check that an interrupted run there may go on; by the first process alone.

    Raises:
        LimbeckError: the folder is taken, or holds a run with other settings.
    """
    folder = Path(out)
    if processes()[0] == 0:
        if resume:
            check_unchanged(folder, config)
        else:
            begin(refuse_taken(folder), config)
    wait_for_all()
    return folder


def saved_settings(out: str | Path, verb: str | None = None) -> dict[str, Any]:
    """Return the settings of the run in ``out``, to resume it or to read it.

    Args:
        out: the run folder.
        verb: ``"train"`` or ``"distill"``, where only one kind of run will do.

    Raises:
        LimbeckError: there is no run, or it is of the other kind.
    """
    path = Path(out) / "config.yaml"
    if not path.exists():
        raise LimbeckError(f"There is no run in {out}: it has no config.yaml.")
    settings = read_yaml(path)
    kind = "distill" if "student" in settings else "train"
    if verb not in (None, kind):
        raise LimbeckError(f"{out} is a run of limbeck {kind}: go on with limbeck {kind} --resume {out}.")
    return settings


def check_unchanged(out: Path, config: BaseModel) -> None:
    """Refuse to go on with a run under other settings than it began with.

    Raises:
        LimbeckError: there is no run, or settings differ; each is named.
    """
    saved = saved_settings(out)
    changed = differences(_computed(saved), _computed(config.model_dump(mode="json")))
    if changed:
        raise LimbeckError(
            f"The run in {out} cannot be resumed with changed settings ({'; '.join(changed)}): "
            "put them back, or start a new run with --out."
        )


def _computed(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings without those that do not change what is computed."""
    kept = {key: value for key, value in settings.items() if key != "trackers"}
    for group in ("train", "teacher_train"):
        if isinstance(kept.get(group), dict):
            kept[group] = {key: value for key, value in kept[group].items() if key not in CIRCUMSTANCES}
    return kept


def write_history(out: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write ``history.csv``: one row for each epoch of each model."""
    first = ["role", "seed", "epoch", "step", "lr", "loss"]
    found = dict.fromkeys(key for row in rows for key in row)
    columns = [*first, *(key for key in found if key not in first and key != "seconds"), "seconds"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(out / "history.csv", text.getvalue())
