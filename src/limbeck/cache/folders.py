"""The folder of a cache: its own, and free of what a killed process left behind."""

import re
from pathlib import Path

from limbeck.cache import header, lock, samples
from limbeck.cache.samples import Samples
from limbeck.errors import LimbeckError

_PART = re.compile(r"\.(cache\.json|samples\.npy|view-\d{4}\.\w+\.npy)\.\w+\.part")
"""What :func:`limbeck.files.replacing` writes before it takes the file's place."""


def prepare(folder: Path, listed: Samples) -> None:
    """Make a folder for a new cache.

    What an earlier attempt to make the same cache left there does not hinder.

    Args:
        folder: where; made when it is not there.
        listed: the samples of the new cache.

    Raises:
        LimbeckError: it holds something else, or cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = sorted(each.name for each in folder.iterdir() if not _PART.fullmatch(each.name))
    except OSError as error:
        raise LimbeckError(f"{folder} cannot be a cache's folder: {error.strerror}. Name another.") from None
    if header.NAME in others:
        raise LimbeckError(f"There is a cache in {folder} already. Go on with it, or name another folder.")
    others = [each for each in others if each != lock.NAME and not _left(folder / each, listed)]
    if others:
        raise LimbeckError(
            f"{folder} holds other files ({', '.join(others[:3])}{', …' * (len(others) > 3)}), and a cache needs a "
            "folder of its own. Name an empty one."
        )


def tidy(folder: Path) -> None:
    """Remove what a process left that was killed while it made a file; only the writer may."""
    for each in folder.iterdir():
        if _PART.fullmatch(each.name):
            each.unlink(missing_ok=True)


def _left(path: Path, listed: Samples) -> bool:
    """Return whether this is the list of the same samples, from a process killed before the header was written."""
    return path.name == samples.NAME and path.is_file() and path.read_bytes() == listed.contents()
