"""The data doors: from what a person writes to data with its parts."""

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from limbeck.data.classes import only
from limbeck.data.source import Data
from limbeck.data.splits import subset
from limbeck.errors import LimbeckError, did_you_mean

DOORS = ("digits", "folder:PATH", "idx:PATH", "csv:PATH", "csv:PATH#COLUMN", "wav:PATH", "sklearn:diabetes")
"""What ``--data`` takes."""


def open_data(
    spec: str, *, seed: int = 0, limit: int | None = None, size: int | None = None, skip_bad: bool = False
) -> Data:
    """Open the data that ``spec`` names.

    Args:
        spec: ``digits``, ``folder:PATH``, ``idx:PATH``, ``csv:PATH``, ``csv:PATH#COLUMN``, ``wav:PATH``
            (or with settings, ``wav:PATH?mels=40&context=10&states=3``) or ``sklearn:diabetes``; with classes
            behind an ``@``, as in ``digits@0,1,2`` or ``folder:photos@cat,dog``, only these, in this order.
        seed: of the split.
        limit: keep only so many training samples, each class in its share.
        size: height and width in pixels that images are brought to; their own when not given.
        skip_bad: leave out images and recordings that cannot be read, and list them, instead of refusing them.

    Raises:
        LimbeckError: there is no such data, or it is damaged, or too small to learn from.

    Example:
        >>> data = open_data("digits", limit=100)
        >>> len(data.train), data.classes[:3]
        (100, ('0', '1', '2'))
    """
    if size is not None and size < 1:
        raise LimbeckError(f"The image size must be at least 1 pixel, but is {size}.")
    door, names = _classes_parts(spec)
    data = _opened(door, seed=seed, size=size, skip_bad=skip_bad)
    if names:
        data = replace(only(data, names), name=spec)
    if size is not None and data.is_image:
        data = replace(data, shape=(data.shape[0], size, size))
    if limit is not None:
        data = replace(data, train=subset(data.train, _labels(data), limit, seed))
    return data


def _opened(spec: str, *, seed: int, size: int | None, skip_bad: bool) -> Data:
    """Call the door that ``spec`` names; each imports what it needs only when called."""
    door, _, rest = spec.partition(":")
    if spec in ("digits", "sklearn:diabetes"):
        from limbeck.data import embedded

        return embedded.digits(seed) if spec == "digits" else embedded.diabetes(seed)
    if door == "folder":
        from limbeck.data.folder import folder

        return folder(existing_folder(spec, rest), seed=seed, size=size, skip_bad=skip_bad, name=spec)
    if door == "idx":
        from limbeck.data.idx import idx

        return idx(existing_folder(spec, rest), seed=seed, name=spec)
    if door == "csv":
        from limbeck.data.csv import csv_table

        path, column = _csv_parts(rest)
        return csv_table(_file(spec, path), column, seed=seed, name=spec)
    if door == "wav":
        from limbeck.data.frames import Framing
        from limbeck.data.wav import recordings

        path, settings = _wav_parts(rest)
        framing = Framing.parsed(settings)
        return recordings(existing_folder(spec, path), framing, seed=seed, skip_bad=skip_bad, name=spec)
    raise _no_door(spec)


def _labels(data: Data) -> Tensor | None:
    return data.source.targets if data.task in ("classification", "frames") else None


def _csv_parts(rest: str) -> tuple[str, str | None]:
    """Split ``PATH#COLUMN``; a file whose own name has a ``#`` is taken as it is."""
    path, mark, column = rest.rpartition("#")
    if not mark or Path(rest).expanduser().exists():
        return rest, None
    return path, column


def _classes_parts(spec: str) -> tuple[str, list[str]]:
    """Split ``DOOR@CLASS,CLASS``; a path that itself has an ``@`` is taken as it is."""
    before, mark, names = spec.rpartition("@")
    door, _, path = spec.partition(":")
    if not mark or door.partition("@")[0] not in ("digits", "folder", "idx"):
        return spec, []
    if "/" in names or (path and Path(path).expanduser().exists()):
        return spec, []
    if not names.strip():
        raise LimbeckError(
            f"Data {spec!r} names no class behind its @: write {before} or {before}@CLASS,CLASS."
        )
    return before, [each.strip() for each in names.split(",")]


def _wav_parts(rest: str) -> tuple[str, str]:
    """Split ``PATH?SETTINGS``; a folder whose own name has a ``?`` is taken as it is."""
    if "?" not in rest or Path(rest).expanduser().exists():
        return rest, ""
    path, _, settings = rest.rpartition("?")
    return path, settings


def existing_folder(spec: str, text: str) -> Path:
    """Return the folder that ``text``, the path in ``spec``, names."""
    path = _existing(spec, text)
    if not path.is_dir():
        door = spec.partition(":")[0]
        raise LimbeckError(f"{path} in {spec!r} is a file, but {door}: takes a folder.")
    return path


def _file(spec: str, text: str) -> Path:
    path = _existing(spec, text)
    if not path.is_file():
        raise LimbeckError(f"{path} in {spec!r} is a folder, but csv: takes a file.")
    return path


def _existing(spec: str, text: str) -> Path:
    """Return the path that ``text`` names; the shell leaves a ``~`` behind a colon to us."""
    if not text:
        raise LimbeckError(f"Data {spec!r} must name a path, as in {spec.partition(':')[0]}:PATH.")
    path = Path(text).expanduser()
    if not path.exists():
        beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, beside)
        raise LimbeckError(f"No file or folder {str(path)!r}, which data {spec!r} asks for.{hint}")
    return path


def _no_door(spec: str) -> LimbeckError:
    known = sorted({each.split("PATH")[0] for each in DOORS})
    path = Path(spec).expanduser()
    if spec and path.exists():
        door = "folder" if path.is_dir() else "csv"
        if path.is_dir() and any(path.glob("*idx?-ubyte*")):
            door = "idx"
        elif path.is_dir() and any(each for below in ("*.wav", "*/*.wav") for each in path.glob(below)):
            door = "wav"
        hint = f" Did you mean '{door}:{spec}'?"
    else:
        hint = did_you_mean(spec, known)
        door = spec.partition(":")[0]
        hint = hint or did_you_mean(f"{door}:", known)
    return LimbeckError(f"No data {spec!r}; there are {', '.join(DOORS)}.{hint}")
