"""Image files with a folder for each class, with or without folders for train, validation and test."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from limbeck.data.images import SUFFIXES, check, decode
from limbeck.data.layout import (
    PARTS,
    classes_missing,
    files_below,
    parts_of,
    split_missing,
    subfolders,
)
from limbeck.data.source import Data, digest
from limbeck.data.splits import refuse_bad_classes
from limbeck.errors import LimbeckError

LARGEST_CANVAS = 224
"""Images of many sizes are brought to squares of their median shorter side, but no larger than this."""


class FolderSource:
    """Image files in a fixed order.

    Args:
        root: what names in the fingerprint are relative to.
        paths: the files.
        targets: (N,) int64 class of each.
        grey: whether images are read as one channel, else as three.
    """

    def __init__(self, root: Path, paths: Sequence[Path], targets: Tensor, grey: bool):
        self.root = root
        self.paths = tuple(paths)
        self.targets = targets
        self.grey = grey
        self._fingerprint: str | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> Tensor:
        """Return image ``index`` as uint8 (C, H, W), in its own size."""
        return decode(self.paths[index], self.grey)

    def fingerprint(self) -> str:
        """Return the sha256 of every file's name, size and bytes.

        Of more than 1 GiB in all, each file gives its size and its first part only, so that opening a large
        collection does not mean reading it twice.
        """
        if self._fingerprint is None:
            self._fingerprint = digest([str(self.grey), self.targets, *self._contents()])
        return self._fingerprint

    def _contents(self) -> Iterator[str | bytes]:
        most = 2**30 // max(1, len(self.paths))
        for path in self.paths:
            yield path.relative_to(self.root).as_posix()
            yield str(path.stat().st_size)
            with path.open("rb") as file:
                yield file.read(most)


DECODED_AT_ONCE = 2**28
"""Bytes of images, a quarter of a gibibyte, that are all decoded when the data is opened: some ten seconds."""


@dataclass
class _Files:
    """Files and classes gathered over the parts, in order."""

    paths: list[Path]
    labels: list[int]
    skipped: list[str]
    grey: bool
    sizes: list[tuple[int, int]]


def folder(
    path: str | Path,
    *,
    seed: int = 0,
    size: int | None = None,
    skip_bad: bool = False,
    name: str | None = None,
) -> Data:
    """Return the images under ``path``, whose folders name their classes.

    With folders ``train`` and ``test``, a fifth of train is for validation unless there is a ``validation``
    (``val``) folder too. Without ``test``, or without any of them, a fifth is held out for test, and of the
    rest a fifth for validation. A class may have an empty folder in ``train`` where it has images in
    ``validation``: then only a teacher can tell of it. Images are read as RGB unless all are grey.

    Args:
        path: the folder.
        seed: of the split.
        size: height and width that images are brought to; when not given, their own if all share one, else
            squares of their median shorter side, at most 224.
        skip_bad: leave out the images that cannot be read. Every image is then decoded now, as it is in any case
            where all of them together are small; of larger data only the borders of each file are looked at.
        name: what the data is called in reports; ``folder:PATH`` when not given.

    Raises:
        LimbeckError: no classes, an empty class, too few images, or an image that cannot be read.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> root = Path(tempfile.mkdtemp())
        >>> for number in range(20):
        ...     place = root / ("cat" if number % 2 else "dog")
        ...     place.mkdir(exist_ok=True)
        ...     Image.new("RGB", (12, 10), (number, 0, 0)).save(place / f"{number}.png")
        >>> data = folder(root)
        >>> data.classes, data.shape, len(data.train), len(data.validation), len(data.test)
        (('cat', 'dog'), (3, 10, 12), 13, 3, 4)
    """
    root = Path(path)
    name = name or f"folder:{path}"
    parts = parts_of(root)
    classes = tuple(sorted(each.name for each in subfolders(parts["train"])))
    if not classes:
        flat = any(files_below(parts["train"], SUFFIXES))
        raise LimbeckError(
            f"{parts['train']} has no folders: put the images of each class into its own"
            + (", or give images without classes as --unlabelled beside labelled data." if flat else ".")
        )
    files, spans = _gathered(parts, classes, skip_bad)
    targets = torch.tensor(files.labels, dtype=torch.int64)
    judged = targets[slice(*spans["validation"])] if "validation" in spans else None
    lacking = refuse_bad_classes(name, targets[: spans["train"][1]], classes, validation=judged)
    indices = {part: torch.arange(*span) for part, span in spans.items()}
    notes = (
        *lacking,
        *classes_missing(
            {part: span for part, span in spans.items() if part != "train"}, targets, classes, "images"
        ),
        *split_missing(indices, targets, seed, "images"),
    )
    source = FolderSource(root, files.paths, targets, files.grey)
    shape = (1 if files.grey else 3, *_canvas(files.sizes, size))
    split = (indices["train"], indices["validation"], indices["test"])
    return Data(name, "classification", source, *split, classes, shape, tuple(files.skipped), notes)


def flat_folder(
    path: str | Path, *, grey: bool, skip_bad: bool = False
) -> tuple[FolderSource, tuple[str, ...]]:
    """Return all images below ``path``, whatever folders they lie in, without classes: every target is 0.

    Args:
        path: the folder.
        grey: whether images are read as one channel, else as three.
        skip_bad: leave out the images that cannot be read.

    Returns:
        The images, and the files that were left out.

    Raises:
        LimbeckError: no images, or one that cannot be read.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "2024-05").mkdir()
        >>> Image.new("RGB", (12, 10)).save(root / "2024-05" / "1.png")
        >>> source, skipped = flat_folder(root, grey=False)
        >>> len(source), source.read(0).shape, skipped
        (1, torch.Size([3, 10, 12]), ())
    """
    root = Path(path)
    files = _Files([], [], [], True, [])
    bad = _add_images(files, root, 0, skip_bad or _decoded_soon(root))
    _refuse_bad(bad, skip_bad)
    if not files.paths:
        which = "image that can be read" if bad else "images"
        raise LimbeckError(f"{root} has no {which}, in it or in folders below it.")
    source = FolderSource(root, files.paths, torch.tensor(files.labels, dtype=torch.int64), grey)
    return source, tuple(str(each) for each, _ in bad)


def _gathered(
    parts: Mapping[str, Path], classes: Sequence[str], skip_bad: bool
) -> tuple[_Files, dict[str, tuple[int, int]]]:
    """Return all files of all parts, checked, and where in them each part begins and ends."""
    files = _Files([], [], [], True, [])
    spans: dict[str, tuple[int, int]] = {}
    bad: list[tuple[Path, LimbeckError]] = []
    whole = skip_bad or _decoded_soon(parts["train"] if len(parts) == 1 else parts["train"].parent)
    for part in [each for each in PARTS if each in parts]:
        begin = len(files.paths)
        for place in subfolders(parts[part]):
            if place.name not in classes:
                raise LimbeckError(
                    f"{place} is a class that {parts['train']} has no folder for: add one there, an empty one if only "
                    "a teacher knows the class, or remove this."
                )
            before = len(files.paths)
            of_class = _add_images(files, place, classes.index(place.name), whole)
            empty = len(files.paths) == before and (skip_bad or not of_class)
            if empty and not (part == "train" and _judged(parts, place.name)):
                which = "no image that can be read" if of_class else "no images"
                raise LimbeckError(f"The class folder {place} has {which}: fill it or remove it.")
            bad += of_class
        spans[part] = (begin, len(files.paths))
    _refuse_bad(bad, skip_bad)
    files.skipped = [str(path) for path, _ in bad]
    return files, spans


def _judged(parts: Mapping[str, Path], name: str) -> bool:
    """Return whether a class without training images has some for validation: its teacher may know it."""
    return "validation" in parts and any(files_below(parts["validation"] / name, SUFFIXES))


def _decoded_soon(root: Path) -> bool:
    """Return whether all images are decoded within seconds, so that damage inside a file is found at once."""
    total = 0
    for path in root.rglob("*"):
        total += path.stat().st_size if path.is_file() else 0
        if total > DECODED_AT_ONCE:
            return False
    return True


def _add_images(files: _Files, place: Path, label: int, whole: bool) -> list[tuple[Path, LimbeckError]]:
    """Add the images of one folder; return those that cannot be read."""
    bad = []
    for path in files_below(place, SUFFIXES):
        try:
            grey, height, width = check(path, whole=whole)
        except LimbeckError as error:
            bad.append((path, error))
            continue
        files.paths.append(path)
        files.labels.append(label)
        files.grey &= grey
        files.sizes.append((height, width))
    return bad


def _refuse_bad(bad: Sequence[tuple[Path, LimbeckError]], skip_bad: bool) -> None:
    if bad and not skip_bad:
        more = f" ({len(bad) - 1} more files are like it.)" if len(bad) > 1 else ""
        raise LimbeckError(f"{bad[0][1]}{more}") from bad[0][1]


def _canvas(sizes: Sequence[tuple[int, int]], size: int | None) -> tuple[int, int]:
    if size is not None:
        return size, size
    if len(set(sizes)) == 1 and max(sizes[0]) <= 256:
        return sizes[0]
    shorter = sorted(min(each) for each in sizes)
    side = min(LARGEST_CANVAS, shorter[len(shorter) // 2])
    return side, side
