"""The pairs of the table of methods: who teaches whom, on what, for how long."""

import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """A teacher, a student and a budget.

    Args:
        data: door and folder under the data root.
        teacher: spec of the teacher.
        student: spec of the student.
        limit: images the student learns from, each class in its share.
        epochs: of the student.
        teacher_limit: images the teacher learnt from.
        teacher_epochs: of the teacher.
    """

    data: str
    teacher: str
    student: str
    limit: int
    epochs: int
    teacher_limit: int
    teacher_epochs: int
    lr: float = 5e-3
    batch_size: int = 32
    size: int | None = None


PAIRS = {
    "fashion": Pair("idx:fashion-mnist", "cnn:16-32-64?depth=2", "cnn:16-32-64", 800, 40, 20000, 6, size=14),
    "mnist": Pair("idx:mnist", "cnn:16-32-64?depth=2", "cnn:8-16-32", 400, 40, 20000, 4, size=14),
    "digits": Pair("digits", "cnn:32-64?depth=2", "cnn:8-16", 400, 60, 1150, 40),
    "fashion, more data": Pair(
        "idx:fashion-mnist", "cnn:16-32-64?depth=2", "cnn:8-16-32?depth=2", 4000, 10, 20000, 6, size=14
    ),
}
CHOSEN_ON, *OTHERS = PAIRS

CHECKS = {
    "fashion, shallow": Pair(
        "idx:fashion-mnist", "cnn:16-32-64?depth=2", "mlp:64", 1000, 30, 20000, 6, size=14
    ),
    "mnist, shallow": Pair("idx:mnist", "cnn:16-32-64?depth=2", "mlp:32-32", 1000, 30, 20000, 4, size=14),
    "digits, shallow": Pair("digits", "cnn:32-64?depth=2", "mlp:32", 400, 60, 1150, 40),
    "mnist, more data": Pair(
        "idx:mnist", "cnn:16-32-64?depth=2", "cnn:8-16?depth=2", 3000, 10, 20000, 4, size=14
    ),
    "a hundred classes": Pair(
        "folder:tiny-imagenet-100", "cnn:32-64-128?depth=2", "cnn:16-32-64", 4000, 12, 16000, 8, size=32
    ),
}
"""Pairs on which nothing was chosen, looked at once the default was settled."""
PAIRS |= CHECKS


def data_of(pair: Pair, root: Path) -> str:
    """Return the door to a pair's data under the data root."""
    door, _, folder = pair.data.partition(":")
    if not folder:
        return door
    return f"{door}:{unpacked(root / folder) if door == 'folder' else root / folder}"


def unpacked(folder: Path) -> Path:
    """Return a folder of images, unpacked first into a temporary place where it holds archives."""
    place = Path(tempfile.gettempdir()) / f"limbeck-{folder.name}"
    if not place.exists():
        half = place.with_suffix(".half")
        for part in ("train", "val"):
            with tarfile.open(folder / f"{part}.tar.gz") as archive:
                archive.extractall(half, filter="data")
        half.rename(place)
    return place
