"""Any map-style torch data set of (x, y) pairs, with what limbeck needs around it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    TensorDataset,
    default_collate,
)

from limbeck.data.labels import known_labels, numbers, pair_of
from limbeck.data.seeding import seeding, view_seed
from limbeck.data.source import Data, Source, TensorSource, digest
from limbeck.data.splits import hold_out, refuse_bad_classes, subset
from limbeck.errors import LimbeckError

Pairs: TypeAlias = Dataset[Any] | DataLoader[Any]
Collate: TypeAlias = Callable[[list[tuple[Any, Any]]], tuple[Any, Any]]

MOST_HASHED = 256
"""How many samples of a data set enter its fingerprint, evenly spaced."""

MOST_LOOKED_AT = 16
"""How many samples are read to learn their shape and range."""


class DatasetSource:
    """The samples of a torch data set.

    Reading may draw random numbers, as transforms of the person's own do; a view is still the same each time,
    because the generators are seeded before each read.

    Args:
        dataset: gives (x, y) pairs; x a tensor, a Pillow image or an array.
        targets: y of every sample where they are numbers; else ``None``: y is read with the sample.
        collate_fn: puts pairs together where x or y cannot be stacked.
    """

    stochastic = True

    def __init__(self, dataset: Dataset[Any], targets: Tensor | None, collate_fn: Collate | None = None):
        self.dataset = dataset
        self.targets = targets
        self.collate_fn = collate_fn

    def __len__(self) -> int:
        return len(cast(Any, self.dataset))

    def read(self, index: int) -> Any:
        """Return x of sample ``index``."""
        return self.read_pair(index)[0]

    def read_pair(self, index: int) -> tuple[Any, Any]:
        """Return x and y of sample ``index``, from one read."""
        x, y = pair_of(self.dataset, index)
        return as_sample(x, anything=self.collate_fn is not None), y

    def fingerprint(self) -> str:
        """Return a sha256 of the length, the targets and up to 256 samples, evenly spaced."""
        parts: list[str | bytes | Tensor] = [str(len(self))]
        if self.targets is not None:
            parts.append(self.targets)
        for pair in looked_at(self, MOST_HASHED):
            parts += _content(pair)
        return digest(parts)


def dataset_data(
    train: Pairs,
    validation: Pairs | None = None,
    test: Pairs | None = None,
    *,
    classes: Sequence[str] | None = None,
    task: str | None = None,
    collate_fn: Collate | None = None,
    name: str = "dataset",
    seed: int = 0,
    size: int | None = None,
    limit: int | None = None,
) -> Data:
    """Return torch data sets of (x, y) pairs as data with three parts.

    Without ``test`` a fifth of train is held out for it; without ``validation``, a fifth of what is left.
    Of a DataLoader its data set and its ``collate_fn`` are taken; batch size and order are limbeck's own.

    Args:
        train: map-style data set, or a loader over one. x is a tensor, a Pillow image or an array: images are
            uint8, or floats (C, H, W) in 0..1; y is a class, a value, or anything with ``collate_fn``.
        validation: likewise, or ``None``.
        test: likewise, or ``None``.
        classes: names of the classes; the data set's own ``classes``, or numbers, when not given.
        task: ``classification`` or ``regression``; when not given, whole numbers are classes.
        collate_fn: from a list of (x, y) pairs to inputs and targets, where either cannot be stacked.
        name: what the data is called in reports.
        seed: of the split.
        size: height and width in pixels that images are brought to.
        limit: keep only so many training samples, each class in its share.

    Raises:
        LimbeckError: a data set cannot be indexed, is empty, or gives something other than such pairs.

    Example:
        >>> pairs = TensorDataset(torch.rand(50, 1, 8, 8), torch.arange(50) % 5)
        >>> data = dataset_data(pairs)
        >>> data.task, data.shape, data.classes, len(data.train), len(data.validation), len(data.test)
        ('classification', (1, 8, 8), ('0', '1', '2', '3', '4'), 32, 8, 10)
    """
    given = {"train": train, "validation": validation, "test": test}
    parts = {role: _dataset(role, each) for role, each in given.items() if each is not None}
    collate_fn = collate_fn or _collate_of(train)
    source, task = one_source(list(parts.values()), task, collate_fn)
    starts = np.cumsum([0, *map(len, parts.values())]).tolist()
    indices = {role: torch.arange(*ends) for role, ends in zip(parts, pairwise(starts), strict=True)}
    names, labels, lacking = None, None, tuple[str, ...]()
    if task == "classification":
        labels = cast(Tensor, source.targets)
        names = _class_names(train, classes, labels)
        judged = labels[indices["validation"]] if "validation" in indices else None
        least = 1 if len(parts) == 3 else 2
        lacking = refuse_bad_classes(name, labels[indices["train"]], names, least, judged)
    for role in ("test", "validation"):
        if role not in indices:
            indices["train"], indices[role] = hold_out(indices["train"], labels, 0.2, seed)
    if limit is not None:
        indices["train"] = subset(indices["train"], labels, limit, seed)
    shape, notes = _shape(source, size, task)
    split = (indices["train"], indices["validation"], indices["test"])
    return Data(name, task, source, *split, names, shape, notes=(*notes, *lacking))


def as_sample(x: Any, anything: bool = False) -> Any:
    """Return x as a tensor: images uint8 (C, H, W) or floats, features float32.

    Args:
        x: a tensor, a Pillow image, or a numpy array (images with channels last).
        anything: whether something else is returned as it is.

    Raises:
        LimbeckError: x is something else.

    Example:
        >>> as_sample(np.zeros((4, 5, 3), np.uint8)).shape
        torch.Size([3, 4, 5])
    """
    from PIL.Image import Image

    if isinstance(x, Image):
        from limbeck.data.images import GREY_MODES, image_tensor

        return image_tensor(x, grey=x.mode in GREY_MODES)
    if isinstance(x, np.ndarray):
        x = torch.from_numpy(np.ascontiguousarray(x))
        if x.dtype == torch.uint8 and x.ndim == 3:
            x = x.permute(2, 0, 1).contiguous()
    if isinstance(x, Tensor):
        if x.dtype == torch.uint8 and x.ndim == 2:
            return x.unsqueeze(0)
        return x.float() if x.is_floating_point() else x
    if anything:
        return x
    raise LimbeckError(
        f"A data set must give tensors, Pillow images or arrays to be stacked, but gives {type(x).__name__}: "
        "pass collate_fn to put other samples together."
    )


def _dataset(role: str, given: Any) -> Any:
    dataset = given.dataset if isinstance(given, DataLoader) else given
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__getitem__"):
        raise LimbeckError(
            f"The {role} data is a {type(dataset).__name__}, which cannot be read by index: "
            "give a map-style Dataset with __getitem__ and __len__."
        )
    if not hasattr(dataset, "__len__") or len(dataset) == 0:
        raise LimbeckError(f"The {role} data ({type(dataset).__name__}) is empty or has no length.")
    return dataset


def _collate_of(given: Any) -> Collate | None:
    own = given.collate_fn if isinstance(given, DataLoader) else None
    return None if own is default_collate else own


def one_source(datasets: list[Any], task: str | None, collate_fn: Collate | None) -> tuple[Source, str]:
    """Return one source over all data sets, and the task its targets make.

    Args:
        datasets: map-style, of (x, y) pairs.
        task: when not given, whole numbers are classes.
        collate_fn: puts pairs together where x or y cannot be stacked.

    Example:
        >>> source, task = one_source([[(torch.zeros(4), 0)], [(torch.ones(4), 1)]], None, None)
        >>> len(source), task
        (2, 'classification')
    """
    found = [known_labels(each) for each in datasets]
    targets = numbers([y for labels in found for y in labels])
    if task is None:
        task = _task_of(targets)
    if task == "other":
        targets = None
    elif targets is None:
        raise LimbeckError(f"The task is {task}, but the targets are not single numbers.")
    else:
        targets = targets.float() if task == "regression" else targets.long()
    if targets is not None and collate_fn is None and (inputs := _stacked(datasets)) is not None:
        return TensorSource(inputs, targets), task
    whole = datasets[0] if len(datasets) == 1 else ConcatDataset(datasets)
    return DatasetSource(whole, targets, collate_fn), task


def _task_of(targets: Tensor | None) -> str:
    if targets is None:
        return "other"
    return "regression" if targets.is_floating_point() else "classification"


def _stacked(datasets: Sequence[Any]) -> Tensor | None:
    """Return the inputs of data sets that are tensors alike in memory: those can be read a batch at once."""
    if not all(type(each) is TensorDataset for each in datasets):
        return None
    inputs = [each.tensors[0] for each in datasets]
    alike = len({(each.shape[1:], each.dtype) for each in inputs}) == 1
    fit = inputs[0].dtype in (torch.uint8, torch.float32) and inputs[0].ndim != 3
    return torch.cat(inputs) if alike and fit else None


def _class_names(train: Any, classes: Sequence[str] | None, targets: Tensor) -> tuple[str, ...]:
    least, most = int(targets.min()), int(targets.max())
    if least < 0:
        raise LimbeckError(f"Class numbers must begin at 0, but the data has a target {least}.")
    while classes is None and train is not None:
        classes = getattr(train, "classes", None)
        train = getattr(train, "dataset", None)
    if classes is None:
        return tuple(str(each) for each in range(most + 1))
    if len(classes) <= most:
        raise LimbeckError(f"There are {len(classes)} class names, but the data has a target {most}.")
    return tuple(str(each) for each in classes)


def _shape(source: Source, size: int | None, task: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the shape of a sample on its canvas, and what should be said about the samples."""
    seen = [x for x, _ in looked_at(source, MOST_LOOKED_AT) if isinstance(x, Tensor)]
    if not seen:
        return (), ()
    notes = []
    if any(x.is_floating_point() and x.ndim == 3 and (x.min() < 0 or x.max() > 1) for x in seen):
        notes.append(
            "The images have values outside 0..1, so they seem normalised already; a pretrained model, which "
            "brings its own normalisation, would read them wrongly."
        )
    shapes = {tuple(x.shape) for x in seen}
    first = tuple(seen[0].shape)
    if len(first) == 3 and size is not None:
        return (first[0], size, size), tuple(notes)
    if len(first) == 3 and len(shapes) > 1 and task != "other":
        side = min(224, sorted(min(shape[1:]) for shape in shapes)[len(shapes) // 2])
        return (first[0], side, side), tuple(notes)
    return first, tuple(notes)


def looked_at(source: Any, most: int) -> Iterator[tuple[Any, Any]]:
    """Yield up to ``most`` samples, evenly spaced, each read under its own seed."""
    count = len(source)
    read = getattr(source, "read_pair", None) or (lambda index: (source.read(index), None))
    for index in np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist():
        with seeding(everything=True) as seed_with:
            seed_with(view_seed(0, index, 0))
            pair = read(index)
        yield pair


def _content(value: Any) -> Iterator[str | bytes | Tensor]:
    """Yield what a sample consists of, for its fingerprint."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, np.ndarray):
        yield str(value.shape)
        yield value.tobytes()
    elif isinstance(value, Mapping):
        for key in value:
            yield str(key)
            yield from _content(value[key])
    elif isinstance(value, list | tuple):
        yield str(len(value))
        for each in value:
            yield from _content(each)
    else:
        yield from (value.tobytes(),) if hasattr(value, "tobytes") else (str(value),)
