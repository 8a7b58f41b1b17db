"""Several data sets as one, over the classes of all of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from limbeck.data.concatenated import Concatenated, sample_type
from limbeck.data.relabelled import Relabelled
from limbeck.data.source import Data
from limbeck.errors import LimbeckError

PARTS = ("train", "validation", "test", "unlabelled")


@dataclass(frozen=True, eq=False)
class Joined:
    """Data put together out of several, and each of them as a part of it.

    Args:
        data: everything, over the union of the classes.
        parts: for each origin its own samples, of the same source, so that an index means the same sample; its
            classes are those of the union.
        names: for each origin its classes as the union names them, in its own order: what
            :class:`limbeck.teachers.Merged` takes of teachers that were trained on them.

    Example:
        >>> from limbeck.data import open_data
        >>> both = joined([open_data("digits@0,1"), open_data("digits@1,2")])
        >>> both.data.classes, both.names, both.parts[1].name
        (('0', '1', '2'), (('0', '1'), ('1', '2')), 'digits@1,2')
    """

    data: Data
    parts: tuple[Data, ...]
    names: tuple[tuple[str, ...], ...]


def joined(datas: Sequence[Data], names: Sequence[Sequence[str]] | None = None) -> Joined:
    """Join data for classification over the union of its classes, in the order in which they first appear.

    Training, validation and test parts lie behind one another. Images are brought to the largest height, the largest
    width, and to RGB unless all are grey.

    Args:
        datas: two or more, for classification.
        names: for each, its classes in its own order as they are to be called, where they are to be told apart or
            are called differently: ``[["digit 0", …], ["shirt", …]]``; their own names when not given.

    Raises:
        LimbeckError: fewer than two; other tasks; not one name for each class, or one name for two classes of one
            data set; samples that cannot be brought together.

    Example:
        >>> from limbeck.data import open_data
        >>> digits = [open_data("digits@0,1"), open_data("digits@1,0")]
        >>> joined(digits, [["round", "straight"], ["one", "zero"]]).data.classes
        ('round', 'straight', 'one', 'zero')
    """
    if len(datas) < 2:
        raise LimbeckError(
            f"Joined data needs two data sets or more, but {len(datas)} was given: name another."
        )
    for each in datas:
        _refuse_unjoinable(each)
    called = _called(datas, names)
    union = tuple(dict.fromkeys(name for own in called for name in own))
    shape, dtype = _shape(datas), _dtype(datas)
    both = Concatenated(
        [_numbered(each, own, union) for each, own in zip(datas, called, strict=True)], shape, dtype
    )
    starts = both.starts.tolist()
    parts = []
    for data, start in zip(datas, starts, strict=False):
        moved: dict[str, Any] = {part: getattr(data, part) + start for part in PARTS}
        parts.append(replace(data, source=both, classes=union, shape=shape, **moved))
    every: dict[str, Tensor] = {part: torch.cat([getattr(each, part) for each in parts]) for part in PARTS}
    whole = Data(
        " + ".join(each.name for each in datas),
        "classification",
        both,
        every["train"],
        every["validation"],
        every["test"],
        union,
        shape,
        tuple(path for each in datas for path in each.skipped),
        (*(note for each in datas for note in each.notes), *_shared(datas, called)),
        every["unlabelled"],
    )
    return Joined(whole, tuple(parts), called)


def _refuse_unjoinable(data: Data) -> None:
    if data.task != "classification" or data.classes is None:
        raise LimbeckError(f"{data.name} is for {data.task}: only data for classification can be joined.")
    if getattr(data.source, "collate_fn", None) is not None:
        raise LimbeckError(
            f"{data.name} puts its samples together by a collate_fn, so it cannot be joined with others: give data of "
            "tensors that stack."
        )


def _called(datas: Sequence[Data], names: Sequence[Sequence[str]] | None) -> tuple[tuple[str, ...], ...]:
    """Return the names of each data set's classes in the union."""
    if names is None:
        return tuple(each.classes or () for each in datas)
    if len(names) != len(datas):
        raise LimbeckError(
            f"There are {len(datas)} data sets but names for {len(names)}: give one list for each."
        )
    for data, own in zip(datas, names, strict=True):
        if isinstance(own, str) or len(own) != len(data.classes or ()):
            given = f"the text {own!r}" if isinstance(own, str) else f"{len(own)} names"
            raise LimbeckError(
                f"{data.name} has {len(data.classes or ())} classes but got {given}: name each class, in its order "
                f"({', '.join((data.classes or ())[:10])})."
            )
        twice = next((each for each in own if list(own).count(each) > 1), None)
        if twice is not None:
            raise LimbeckError(
                f"Two classes of {data.name} are both called {twice!r}: give each a name of its own."
            )
    return tuple(tuple(str(each) for each in own) for own in names)


def _numbered(data: Data, own: Sequence[str], union: Sequence[str]) -> Relabelled:
    """Return the source of ``data`` with its classes numbered as in the union; what has no class keeps -1."""
    places = torch.tensor([union.index(each) for each in own])
    targets: Tensor = data.source.targets
    return Relabelled(data.source, torch.where(targets < 0, targets, places[targets.clamp(min=0)]))


def _shape(datas: Sequence[Data]) -> tuple[int, ...]:
    """Return the shape that all samples are brought to."""
    shapes = [each.shape for each in datas]
    if all(len(shape) == 3 for shape in shapes):
        channels = {shape[0] for shape in shapes}
        if len(channels) == 1 or channels == {1, 3}:
            return (max(channels), max(shape[1] for shape in shapes), max(shape[2] for shape in shapes))
    elif len(set(shapes)) == 1:
        return shapes[0]
    first, other = next((a, b) for a in datas for b in datas if a.shape != b.shape)
    raise LimbeckError(
        f"{first.name} has samples of shape {first.shape} and {other.name} of shape {other.shape}, which cannot be "
        "brought together: join images with images, or features with as many features."
    )


def _dtype(datas: Sequence[Data]) -> torch.dtype:
    """Return the type that all samples are brought to: bytes where all are."""
    kinds = [sample_type(each.source, each.name) for each in datas]
    if len({normalised for _, normalised in kinds}) > 1:
        names = [
            next(d.name for d, k in zip(datas, kinds, strict=True) if k[1] is each) for each in (True, False)
        ]
        raise LimbeckError(
            f"The images of {names[0]} have values outside 0..1 and those of {names[1]} have not, so they cannot be "
            "joined: give images that are not normalised yet."
        )
    return torch.uint8 if all(dtype == torch.uint8 for dtype, _ in kinds) else torch.float32


def _shared(datas: Sequence[Data], called: Sequence[Sequence[str]]) -> list[str]:
    """Return a note on classes that are in several data sets: equal names, such as 0 to 9, may mean other things."""
    every = [name for own in called for name in own]
    twice = [name for name in dict.fromkeys(every) if every.count(name) > 1]
    if not twice:
        return []
    names = " and ".join(each.name for each in datas)
    more = f" and {len(twice) - 5} more" if len(twice) > 5 else ""
    return [f"The classes {', '.join(twice[:5])}{more} of {names} bear one name and are taken for the same."]
