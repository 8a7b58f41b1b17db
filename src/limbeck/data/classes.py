"""Data with some of its classes only, or with some of them left out of training."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from limbeck.data.relabelled import Relabelled
from limbeck.data.source import Data
from limbeck.data.splits import refuse_bad_classes
from limbeck.errors import LimbeckError, did_you_mean

ABSENT = -1
"""Target of samples whose class was taken away; they are in no part."""


def only(data: Data, names: Sequence[str] | str) -> Data:
    """Return the samples of some classes, numbered in the order in which they are named.

    An index means the same sample as before. Samples without labels stay, whatever they show.

    Args:
        data: for classification.
        names: of two or more classes.

    Raises:
        LimbeckError: an unknown class, one named twice, fewer than two; data without classes.

    Example:
        >>> from limbeck.data import open_data
        >>> data = only(open_data("digits"), ["8", "3"])
        >>> data.classes, data.source.targets[data.train].unique().tolist()
        (('8', '3'), [0, 1])
    """
    numbers = _numbers(data, names)
    if len(numbers) < 2:
        raise LimbeckError(
            f"{data.name} must keep two or more classes to tell apart, not {len(numbers)}: name more."
        )
    assert data.classes is not None
    places = torch.full((len(data.classes),), ABSENT, dtype=torch.int64)
    places[numbers] = torch.arange(len(numbers))
    targets = places[data.source.targets]
    parts: dict[str, Any] = {part: _kept(data, part, numbers) for part in ("train", "validation", "test")}
    empty = next((part for part, indices in parts.items() if not len(indices)), None)
    kept = tuple(data.classes[each] for each in numbers)
    if empty is not None:
        raise LimbeckError(
            f"The {empty} part of {data.name} has no samples of {' or '.join(map(repr, kept))}: name other classes."
        )
    refuse_bad_classes(data.name, targets[parts["train"]], kept, least=1)
    return replace(data, source=Relabelled(data.source, targets), classes=kept, **parts)


def omitting(data: Data, names: Sequence[str] | str) -> Data:
    """Return ``data`` without some classes in its training part; validation, test and the class list keep them.

    Args:
        data: for classification.
        names: of the classes that training lacks.

    Raises:
        LimbeckError: an unknown class, one named twice, or all of them; data without classes.

    Example:
        >>> from limbeck.data import open_data
        >>> data = omitting(open_data("digits"), "3")
        >>> 3 in data.source.targets[data.train], 3 in data.source.targets[data.test], len(data.classes)
        (False, True, 10)
    """
    numbers = _numbers(data, names)
    left = [each for each in range(len(data.classes or ())) if each not in numbers]
    train = _kept(data, "train", left)
    if not len(train):
        raise LimbeckError(
            f"Without those classes {data.name} has no training samples: leave at least one class in."
        )
    assert data.classes is not None
    note = f"The training part lacks the classes {', '.join(data.classes[each] for each in numbers)}."
    return replace(data, train=train, notes=(*data.notes, note))


def _numbers(data: Data, names: Sequence[str] | str) -> list[int]:
    """Return the numbers of the classes named."""
    if data.classes is None or data.task != "classification":
        raise LimbeckError(
            f"{data.name} is for {data.task}: only data for classification has classes to choose."
        )
    names = [names] if isinstance(names, str) else list(names)
    for each in names:
        if each not in data.classes:
            known = ", ".join(data.classes[:20]) + (", …" if len(data.classes) > 20 else "")
            raise LimbeckError(
                f"{data.name} has no class {each!r} (there are: {known}).{did_you_mean(each, data.classes)}"
            )
    twice = next((each for each in names if names.count(each) > 1), None)
    if twice is not None:
        raise LimbeckError(f"The class {twice!r} of {data.name} is named twice: name each class once.")
    return [data.classes.index(each) for each in names]


def _kept(data: Data, part: str, numbers: Sequence[int]) -> Tensor:
    indices: Tensor = getattr(data, part)
    return indices[torch.isin(data.source.targets[indices], torch.tensor(numbers, dtype=torch.int64))]
