"""Folders for classes, with or without folders for train, validation and test around them."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from limbeck.data.splits import hold_out
from limbeck.errors import LimbeckError

PARTS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}
"""What the folders of the three parts may be called, in any case."""


def parts_of(root: Path) -> dict[str, Path]:
    """Return the folder of each part there is; the root itself is ``train`` where it is not split."""
    found: dict[str, Path] = {}
    for each in subfolders(root):
        part = next((part for part, names in PARTS.items() if each.name.lower() in names), None)
        if part in found:
            raise LimbeckError(f"{root} has two folders for {part}: {found[part].name} and {each.name}.")
        if part is not None:
            found[part] = each
    # beside other folders, a lone "train" is a class: one of vehicles, say
    if "train" in found and (len(found) > 1 or len(subfolders(root)) == 1):
        return found
    return {"train": root}


def subfolders(path: Path) -> list[Path]:
    """Return the folders in ``path`` by name, without hidden ones."""
    return sorted(each for each in path.iterdir() if each.is_dir() and not each.name.startswith("."))


def files_below(place: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """Yield the files in a folder and below it whose names end so, in the order of their names; none that is hidden."""
    for parent, folders, names in os.walk(place):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for each in sorted(names):
            if not each.startswith(".") and Path(each).suffix.lower() in suffixes:
                yield Path(parent, each)


def classes_missing(
    spans: Mapping[str, tuple[int, int]], targets: Tensor, classes: Sequence[str], what: str
) -> Iterator[str]:
    """Yield a sentence for each part that came without some of the classes; ``what`` are images, say."""
    for part, (begin, end) in spans.items():
        missing = [
            name for label, name in enumerate(classes) if not bool((targets[begin:end] == label).any())
        ]
        if missing:
            yield f"The {part} part has no {what} of {', '.join(missing)}: its scores say nothing about them."


def split_missing(indices: dict[str, Tensor], targets: Tensor, seed: int, what: str) -> Iterator[str]:
    """Take the parts that have no folder out of train; yield what should be said about it."""
    if "test" not in indices:
        if "validation" in indices:
            yield f"There is no test folder, so a fifth of the training {what} is the test set."
        indices["train"], indices["test"] = hold_out(indices["train"], targets, 0.2, seed)
    if "validation" not in indices:
        indices["train"], indices["validation"] = hold_out(indices["train"], targets, 0.2, seed)
