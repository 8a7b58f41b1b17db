"""Samples without labels: labels hidden on purpose, and a second door beside the labelled data."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from limbeck.data.concatenated import Concatenated, sample_type
from limbeck.data.door import existing_folder, open_data
from limbeck.data.folder import flat_folder
from limbeck.data.layout import PARTS, subfolders
from limbeck.data.relabelled import Relabelled
from limbeck.data.source import Data, Source
from limbeck.data.splits import subset
from limbeck.errors import LimbeckError


def without_labels(data: Data, labels: float | int, seed: int = 0) -> Data:
    """Return ``data`` with only some of its training samples labelled; the others become ``unlabelled``.

    Those that keep their label are drawn class by class, each class in its share and at least one of each; a larger
    number keeps those of a smaller one. The labels of the others reach no batch: they read 0 and are marked as
    missing. Validation and test stay as they are.

    Args:
        data: classification or regression.
        labels: how many keep their label: a share between 0 and 1, or a whole number of samples.
        seed: decides which.

    Raises:
        LimbeckError: a number that leaves a class without a label, or no sample without one; data with other targets.

    Example:
        >>> data = without_labels(open_data("digits"), labels=0.1)
        >>> len(data.train), len(data.unlabelled), data.source.targets[data.unlabelled].unique().tolist()
        (115, 1035, [0])
    """
    _refuse_other_targets(data, "hide labels of")
    count = _count(labels, len(data.train))
    classes = data.source.targets if data.task == "classification" else None
    least = max(2, len(classes[data.train].unique()) if classes is not None else 0)
    if not least <= count < len(data.train):
        each = f"one of each of the {least} classes" if classes is not None else "two of them"
        raise LimbeckError(
            f"labels={labels} of {data.name} would leave {count:,} of {len(data.train):,} training samples their "
            f"label: it must leave at least {each} ({least}), and at least one sample without."
        )
    kept = subset(data.train, classes, count, seed)
    hidden = data.train[~torch.isin(data.train, kept)]
    labelled = getattr(data.source, "labelled", None)
    labelled = torch.ones(len(data.source), dtype=torch.bool) if labelled is None else labelled.clone()
    labelled[hidden] = False
    return replace(
        data,
        source=Relabelled(data.source, data.source.targets, labelled),
        train=kept,
        unlabelled=torch.cat([hidden, data.unlabelled]),
        notes=(*data.notes, f"{count:,} of {len(data.train):,} training samples kept their label."),
    )


def with_unlabelled(data: Data, spec: str, *, seed: int = 0, skip_bad: bool = False) -> Data:
    """Return ``data`` with further samples to learn from, whose labels, where they have any, are ignored.

    They are brought to the canvas, channels and value range of ``data``.

    Args:
        data: classification or regression.
        spec: ``folder:PATH`` for images lying in a folder or in folders below it, by date, say; or any other door,
            such as ``idx:PATH``, ``csv:PATH`` (a table with the columns of ``data``, in their order, and one to
            predict) or ``digits``, of which the training part is taken and the labels are left aside.
        seed: of that door's split.
        skip_bad: leave out images that cannot be read.

    Raises:
        LimbeckError: labelled data or the data itself in place of unlabelled samples; none at all; samples that
            cannot be brought to those of ``data``.

    Example:
        >>> data = with_unlabelled(open_data("digits@0,1,2"), "digits@3,4,5")
        >>> len(data.train), len(data.unlabelled), data.source.labelled[data.unlabelled].any().item()
        (344, 350, False)
    """
    _refuse_other_targets(data, "add unlabelled samples to")
    if spec.partition(":")[0] == "folder":
        source, skipped = _flat(data, spec, skip_bad)
        indices = torch.arange(len(source))
    else:
        other = open_data(spec, seed=seed, skip_bad=skip_bad)
        _refuse_other_targets(other, "take unlabelled samples from")
        _refuse_other_shape(data, other)
        source, indices, skipped = other.source, other.train, other.skipped
        if source.fingerprint() == data.source.fingerprint():
            raise LimbeckError(
                f"--unlabelled {spec} is the labelled data itself: to learn from a part of it without labels, say how "
                "many samples keep theirs with --labels 0.1."
            )
    targets = torch.zeros(len(source), dtype=data.source.targets.dtype)
    hidden = Relabelled(source, targets, torch.zeros(len(source), dtype=torch.bool))
    both = Concatenated([data.source, hidden], data.shape, _type_of(data, spec))
    return replace(
        data,
        source=both,
        unlabelled=torch.cat([data.unlabelled, indices + len(data.source)]),
        skipped=(*data.skipped, *skipped),
        notes=(*data.notes, f"{len(indices):,} samples without labels come from {spec}."),
    )


def _count(labels: float | int, samples: int) -> int:
    """Return how many samples keep their label."""
    if isinstance(labels, bool) or not isinstance(labels, int | float):
        raise LimbeckError(
            f"labels is a share between 0 and 1, or a whole number of samples, not {labels!r}."
        )
    if isinstance(labels, int):
        return labels
    if not 0 < labels < 1:
        raise LimbeckError(
            f"labels={labels} is no share between 0 and 1: a number of samples is written whole, as in labels=100."
        )
    return round(labels * samples)


def _flat(data: Data, spec: str, skip_bad: bool) -> tuple[Source, tuple[str, ...]]:
    """Return the images below a folder in the colours of ``data``, and the files left out."""
    root = existing_folder(spec, spec.partition(":")[2])
    if not data.is_image or data.shape[0] not in (1, 3):
        raise LimbeckError(
            f"{spec} has images, but {data.name} has samples of {_told(data.shape)}: give unlabelled samples of the "
            "same kind."
        )
    _refuse_classes(root, data)
    source, skipped = flat_folder(root, grey=data.shape[0] == 1, skip_bad=skip_bad)
    paths = _files(data.source)
    used = torch.cat([data.train, data.validation, data.test]).tolist()
    own = {each.resolve() for each in (paths[index] for index in used) if each is not None}
    twice = next((each for each in source.paths if each.resolve() in own), None)
    if twice is not None:
        raise LimbeckError(
            f"{twice} in --unlabelled {spec} is an image of {data.name} itself, perhaps one it is tested on: keep "
            "unlabelled images in a folder of their own."
        )
    return source, skipped


def _refuse_classes(root: Path, data: Data) -> None:
    names = {each.lower() for part in PARTS.values() for each in part}
    places = [root, *(each for each in subfolders(root) if each.name.lower() in names)]
    known = {each.lower() for each in data.classes or ()}
    found = sorted(
        {each.name for place in places for each in subfolders(place) if each.name.lower() in known}
    )
    if len(found) > 1:
        raise LimbeckError(
            f"{root} has folders named like the classes {found[0]!r} and {found[1]!r} of {data.name}, so it is "
            "labelled: give it as --data, with --labels 0.1 to use a tenth of its labels, or rename the folders."
        )


def _files(source: Any) -> list[Path | None]:
    """Return the file behind each sample, or ``None``, through whatever is wrapped around its source."""
    if hasattr(source, "sources"):
        return [path for each in source.sources for path in _files(each)]
    if hasattr(source, "source"):
        return _files(source.source)
    return list(getattr(source, "paths", [None] * len(source)))


def _refuse_other_targets(data: Data, what: str) -> None:
    if data.task not in ("classification", "regression") or data.source.targets is None:
        raise LimbeckError(
            f"limbeck can {what} data for classification and regression, but {data.name} is for {data.task!r}."
        )
    if getattr(data.source, "collate_fn", None) is not None and not what.startswith("hide"):
        raise LimbeckError(
            f"{data.name} puts its samples together by a collate_fn, so no others can be added: give data of tensors "
            "that stack."
        )


def _refuse_other_shape(data: Data, other: Data) -> None:
    if data.is_image and other.is_image:
        convertible = data.shape[0] == other.shape[0] or {data.shape[0], other.shape[0]} == {1, 3}
    else:
        convertible = data.shape == other.shape
    if not convertible:
        raise LimbeckError(
            f"--unlabelled {other.name} has samples of {_told(other.shape)}, which cannot be brought to the "
            f"{_told(data.shape)} of {data.name}: give samples of the same kind."
        )


def _told(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} features" if len(shape) == 1 else "×".join(map(str, shape)) or "any shape"


def _type_of(data: Data, spec: str) -> torch.dtype:
    """Return the type of the samples of ``data``, which others are brought to."""
    dtype, normalised = sample_type(data.source, data.name)
    if normalised:
        raise LimbeckError(
            f"The images of {data.name} have values outside 0..1, so those of {spec} cannot be brought to them: give "
            "images that are not normalised yet."
        )
    return dtype
