"""A table in a text file, one row a sample, for regression."""

import csv
import gzip
import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from limbeck.data.source import Data, TensorSource
from limbeck.data.splits import hold_out
from limbeck.errors import LimbeckError, did_you_mean

MISSING = frozenset(("", "na", "n/a", "nan", "null", "none", "?", "-"))
"""Cells that stand for no value, in any case."""

MOST_CATEGORIES = 100
"""A text column with more distinct texts is refused: it names rows rather than describing them."""

Values = NDArray[np.float64]


def csv_table(path: str | Path, target: str | None = None, *, seed: int = 0, name: str | None = None) -> Data:
    r"""Return a table's rows as features with one column as the value to predict.

    The file has a header; cells are separated by commas, semicolons or tabs. A column of texts becomes one
    column of 0 and 1 for each text. Missing cells take the mean of the training part and are reported in the
    data's notes. A fifth of the rows is for test, of the rest a fifth for validation.

    Args:
        path: the file, gzipped when its name ends in ``.gz``.
        target: the column to predict; the last one when not given.
        seed: of the split.
        name: what the data is called in reports; ``csv:PATH`` when not given.

    Raises:
        LimbeckError: the file is not such a table, or the target is missing or not numeric.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "homes.csv"
        >>> rows = [f"{number},{'sea' if number % 2 else ''},{number * 10}" for number in range(10)]
        >>> _ = file.write_text("rooms,near,price\n" + "\n".join(rows))
        >>> data = csv_table(file)
        >>> data.shape, len(data.train), data.source.targets[:3].tolist()
        ((2,), 6, [0.0, 10.0, 20.0])
    """
    path = Path(path)
    header, rows = _read(path)
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    wanted = _target_column(path, target, columns)
    values = _numbers(columns.pop(wanted))
    kept = np.isfinite(values) if values is not None else np.zeros(0, bool)
    if values is None or kept.sum() < 5:
        raise LimbeckError(
            f"{path} must have five rows or more with a value of {wanted!r} to be learnt from."
        )
    notes = [f"{(~kept).sum():,} rows without {wanted!r} were left out."] if not kept.all() else []
    rest, test = hold_out(torch.arange(int(kept.sum())), None, 0.2, seed)
    train, validation = hold_out(rest, None, 0.2, seed)
    features = []
    for each, cells in columns.items():
        column, note = _feature(
            path, each, [cell for cell, keep in zip(cells, kept, strict=True) if keep], train
        )
        features.append(column)
        notes += note
    if not features or not sum(each.shape[1] for each in features):
        raise LimbeckError(f"{path} has no column besides {wanted!r} to predict it from.")
    inputs = torch.from_numpy(np.concatenate(features, axis=1)).float()
    source = TensorSource(inputs, torch.from_numpy(values[kept]).float())
    shape = (inputs.shape[1],)
    label = name or f"csv:{path}"
    return Data(label, "regression", source, train, validation, test, None, shape, notes=tuple(notes))


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows, each as long as the header."""
    try:
        with _text(path) as file:
            first = file.readline()
            separator = max(",;\t", key=first.count)
            file.seek(0)
            reader = csv.reader(file, delimiter=separator, strict=True)
            header = [each.strip() for each in next(reader, [])]
            _check_header(path, header)
            rows = []
            for row in reader:
                if row and len(row) != len(header):
                    raise LimbeckError(
                        f"Line {reader.line_num} of {path} has {len(row)} cells, "
                        f"but the header has {len(header)}."
                    )
                if row:
                    rows.append(row)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise LimbeckError(f"{path} cannot be read as a table in UTF-8 ({error}).") from error
    if not rows:
        raise LimbeckError(f"{path} has no rows below its header.")
    return header, rows


def _text(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _check_header(path: Path, header: Sequence[str]) -> None:
    if not header:
        raise LimbeckError(f"{path} is empty: it needs a header and rows.")
    if _numbers(header) is not None:
        raise LimbeckError(f"{path} begins with numbers: its first line must name the columns.")
    twice = next((each for each in header if header.count(each) > 1), None)
    if twice is not None:
        raise LimbeckError(f"{path} has two columns called {twice!r}; rename one.")


def _target_column(path: Path, target: str | None, columns: dict[str, tuple[str, ...]]) -> str:
    wanted = list(columns)[-1] if target is None else target
    if wanted not in columns:
        raise LimbeckError(
            f"{path} has no column {wanted!r}; it has {', '.join(columns)}.{did_you_mean(wanted, columns)}"
        )
    if _numbers(columns[wanted]) is None:
        numeric = [each for each, cells in columns.items() if _numbers(cells) is not None]
        way_out = f"name a numeric one, as in csv:{path}#{numeric[-1]}" if numeric else "no column is numeric"
        raise LimbeckError(f"The column to predict, {wanted!r} of {path}, is not numeric: {way_out}.")
    return wanted


def _numbers(cells: Sequence[str]) -> Values | None:
    """Return the cells as floats, NaN where missing or infinite; ``None`` where one is a text."""
    try:
        values = [math.nan if cell.strip().lower() in MISSING else float(cell) for cell in cells]
    except ValueError:
        return None
    numbers = np.array(values)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _feature(path: Path, name: str, cells: Sequence[str], train: Tensor) -> tuple[Values, list[str]]:
    """Return a column as features (N, k) and what should be said about it."""
    values = _numbers(cells)
    if values is None:
        return _one_hot(path, name, cells)
    missing = np.isnan(values)
    known = values[train.numpy()]
    known = known[~np.isnan(known)]
    if not known.size:
        return np.zeros((len(cells), 0)), [f"Column {name!r} has no values and was left out."]
    note = f"{missing.sum():,} missing values of {name!r} were filled with the mean of the training rows."
    return np.where(missing, known.mean(), values)[:, None], [note] if missing.any() else []


def _one_hot(path: Path, name: str, cells: Sequence[str]) -> tuple[Values, list[str]]:
    """Return a column of texts as one column of 0 and 1 for each text; a missing cell is 0 in all."""
    texts = [cell.strip() for cell in cells]
    known = sorted({each for each in texts if each.lower() not in MISSING})
    if len(known) > MOST_CATEGORIES:
        raise LimbeckError(
            f"Column {name!r} of {path} has {len(known):,} different texts, more than {MOST_CATEGORIES}: "
            "remove it or turn it into numbers."
        )
    places = {each: place for place, each in enumerate(known)}
    columns = np.zeros((len(texts), len(known)))
    for row, each in enumerate(texts):
        if each in places:
            columns[row, places[each]] = 1
    missing = sum(each not in places for each in texts)
    without = f"; {missing:,} rows without a text have 0 in all" if missing else ""
    return columns, [f"{name!r} became {len(known)} columns of 0 and 1, one for each text{without}."]
