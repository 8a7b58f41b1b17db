"""What a run measured beside its record: the curves in ``history.csv``, the counts in ``confusion.npz``."""

import csv
import math
import zipfile
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from limbeck.errors import LimbeckError

__all__ = ["Confusion", "Curve", "History", "read_confusion", "read_history"]

WORDS = ("role", "seed", "stage")
"""Columns that say whose row it is."""

Confusion = dict[str, npt.NDArray[np.int64]]
"""Role to (C, C) counts summed over the seeds; rows are true classes, columns predicted ones."""


Curve = list[tuple[int, float, float, float]]
"""Epoch, mean, lowest and highest value."""


@dataclass(frozen=True)
class History:
    """Training curves: ``values[column][role][seed][epoch]``; several networks of a role are numbered: ``teacher-2``.

    Example:
        >>> History({"loss": {"student": {0: {1: 0.5, 2: 0.25}}}}).mean("loss", "student")
        [(1, 0.5, 0.5, 0.5), (2, 0.25, 0.25, 0.25)]
    """

    values: dict[str, dict[str, dict[int, dict[int, float]]]] = field(default_factory=dict)

    def roles(self, column: str) -> list[str]:
        """Return the roles that have any value in ``column``."""
        return list(self.values.get(column, {}))

    def without(self, roles: Collection[str]) -> "History":
        """Return the curves of all other roles."""
        return History(
            {
                column: {role: curves for role, curves in found.items() if role not in roles}
                for column, found in self.values.items()
            }
        )

    def mean(self, column: str, role: str) -> Curve:
        """Return (epoch, mean, lowest, highest) over the seeds that reached each epoch, in order."""
        by_epoch: dict[int, list[float]] = {}
        for curve in self.values.get(column, {}).get(role, {}).values():
            for epoch, value in curve.items():
                by_epoch.setdefault(epoch, []).append(value)
        return [
            (epoch, sum(values) / len(values), min(values), max(values))
            for epoch, values in sorted(by_epoch.items())
        ]


def read_history(folder: str | Path) -> History:
    """Read ``history.csv``; a run without one has an empty history.

    Args:
        folder: the run folder.

    Raises:
        LimbeckError: the file has no role, seed and epoch columns, or a cell is not a number.

    Example:
        >>> read_history("no/such/run").values
        {}
    """
    path = Path(folder) / "history.csv"
    if not path.is_file():
        return History()
    sums: dict[tuple[str, str, int, int], tuple[float, int]] = {}
    with path.open(newline="", encoding="utf-8") as lines:
        reader = csv.DictReader(lines)
        missing = {"role", "seed", "epoch"} - set(reader.fieldnames or [])
        if missing:
            raise LimbeckError(f"{path} has no column {', '.join(sorted(missing))}. Restore it.")
        for row in reader:
            _add(row, sums, path, reader.line_num)
    history: dict[str, dict[str, dict[int, dict[int, float]]]] = {}
    for (column, role, seed, epoch), (total, number) in sums.items():
        history.setdefault(column, {}).setdefault(role, {}).setdefault(seed, {})[epoch] = total / number
    return History(history)


def _add(
    row: dict[str, str], sums: dict[tuple[str, str, int, int], tuple[float, int]], path: Path, line: int
) -> None:
    """Add one row; an epoch with several rows (one per logging step) counts with their mean."""
    try:
        seed, epoch = int(row["seed"]), int(float(row["epoch"]))
        cells = {
            name: float(cell) for name, cell in row.items() if name not in WORDS and name != "epoch" and cell
        }
    except (TypeError, ValueError) as error:
        raise LimbeckError(f"{path}, line {line}: {error}. Restore the file, or run again.") from error
    for name, value in cells.items():
        if math.isfinite(value):
            key = (name, row["role"], seed, epoch)
            total, number = sums.get(key, (0.0, 0))
            sums[key] = (total + value, number + 1)


def read_confusion(folder: str | Path, classes: int | None) -> Confusion:
    """Read ``confusion.npz``; a run without one (regression) has none.

    Args:
        folder: the run folder.
        classes: number of classes each matrix must have, or None when the run has no classes.

    Raises:
        LimbeckError: the file is damaged, or a matrix does not fit the classes.

    Example:
        >>> read_confusion("no/such/run", 10)
        {}
    """
    path = Path(folder) / "confusion.npz"
    if classes is None or not path.is_file():
        return {}
    try:
        with np.load(path, allow_pickle=False) as stored:
            found = {role: np.asarray(stored[role], dtype=np.int64) for role in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise LimbeckError(f"{path} cannot be read ({error}). Restore the file, or run again.") from error
    for role, matrix in found.items():
        if matrix.shape != (classes, classes):
            raise LimbeckError(
                f"{path} holds {matrix.shape} counts for the {role}, and the run has {classes} classes. "
                "Restore the file, or run again."
            )
    return found
