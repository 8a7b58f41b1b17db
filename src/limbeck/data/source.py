"""Where samples come from: a fixed order, an index that means one sample, a fingerprint."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor


class Source(Protocol):
    """Samples in a fixed order, before augmentation.

    A source in memory may also offer ``read_many(indices) -> Tensor``, which gathers a batch at once; one
    that draws random numbers while it reads sets ``stochastic = True``; one whose targets are read with the
    sample has ``read_pair(index) -> (sample, target)`` and perhaps a ``collate_fn`` to put pairs together; one
    that makes its features as they are read has ``statistics(indices) -> (mean, std)``; one in which not every
    sample has a label says which in ``labelled``, (N,) bool.
    """

    targets: Any
    """(N,) int64 classes or float32 values; ``None`` where they are neither and come with the sample."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> Tensor:
        """Return sample ``index``: a uint8 image (C, H, W), sizes may differ, or float32 features (D,)."""

    def fingerprint(self) -> str:
        """Return the sha256 (hex) of the content."""


class TensorSource:
    """Samples that lie in memory as one tensor.

    Args:
        inputs: (N, C, H, W) uint8 images, (N, C, H, W) float32 images in 0..1, or (N, D) float32 features.
        targets: (N,) int64 classes or float32 values.

    Raises:
        ValueError: inputs and targets differ in length.

    Example:
        >>> source = TensorSource(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 0, 1]))
        >>> len(source), source.read(2).shape, source.read_many(torch.tensor([3, 0])).shape
        (4, torch.Size([1, 8, 8]), torch.Size([2, 1, 8, 8]))
    """

    def __init__(self, inputs: Tensor, targets: Tensor):
        if len(inputs) != len(targets):
            raise ValueError(f"{len(inputs)} inputs but {len(targets)} targets")
        self.inputs = inputs.contiguous()
        self.targets = targets.contiguous()
        self._fingerprint: str | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    def read(self, index: int) -> Tensor:
        """Return sample ``index``, as a copy: an augmentation may work in place."""
        return self.inputs[index].clone()

    def read_many(self, indices: Tensor) -> Tensor:
        """Return the samples at ``indices`` (N,) as one tensor, in that order."""
        return self.inputs[indices]

    def fingerprint(self) -> str:
        """Return the sha256 of inputs and targets, with their types and shapes."""
        if self._fingerprint is None:
            self._fingerprint = digest([self.inputs, self.targets])
        return self._fingerprint


@dataclass(frozen=True, eq=False)
class Data:
    """A data set with its three parts, which share one source so that an index means one sample.

    Args:
        name: as the person wrote it: ``digits``, ``folder:photos``.
        task: ``classification``, ``regression``, ``frames`` of recordings, or ``other`` where targets are neither
            classes nor values.
        source: all samples, those of training and test together.
        train: (N,) int64 indices into the source; likewise ``validation`` and ``test``.
        validation: what every choice is made on.
        test: read once a seed.
        classes: the class names, in the order of the targets; ``None`` where there are none.
        shape: (C, H, W) of an image after it is brought to the canvas, or (D,) of features.
        skipped: unreadable files that were left out.
        notes: what the person should know about how the data was read, a sentence each.
        unlabelled: (N,) int64 indices of further samples to learn from, which have no label.

    Example:
        >>> source = TensorSource(torch.rand(5, 2), torch.rand(5))
        >>> data = Data("mine", "regression", source, torch.tensor([0, 1, 2]), torch.tensor([3]),
        ...             torch.tensor([4]), None, (2,))
        >>> data.is_image, data.canvas, len(data.fingerprint())
        (False, None, 64)
    """

    name: str
    task: str
    source: Source
    train: Tensor
    validation: Tensor
    test: Tensor
    classes: tuple[str, ...] | None
    shape: tuple[int, ...]
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unlabelled: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))

    @property
    def transfer_set(self) -> Tensor:
        """Indices of all that a student may learn from: the training part and the samples without labels."""
        return torch.cat([self.train, self.unlabelled])

    @property
    def is_image(self) -> bool:
        """Whether a sample is an image (C, H, W)."""
        return len(self.shape) == 3

    @property
    def canvas(self) -> tuple[int, int] | None:
        """Height and width that images are brought to; ``None`` for features and where targets are boxes."""
        return (self.shape[1], self.shape[2]) if self.is_image and self.task != "other" else None

    def fingerprint(self) -> str:
        """Return a sha256 (hex) of the samples, the split and the class names."""
        about = [self.source.fingerprint(), self.task, repr(self.classes), repr(self.shape)]
        more = [self.unlabelled] if len(self.unlabelled) else []
        return digest([*about, self.train, self.validation, self.test, *more])


def digest(parts: Iterable[str | bytes | Tensor]) -> str:
    """Return the sha256 (hex) of ``parts``; each is hashed with its length, so borders count.

    Example:
        >>> digest(["ab", "c"]) == digest(["a", "bc"])
        False
    """
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, Tensor):
            total.update(f"{part.dtype} {tuple(part.shape)};".encode())
            # numpy has no bfloat16, but every tensor can be seen as bytes
            total.update(part.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
        else:
            raw = part.encode() if isinstance(part, str) else part
            total.update(f"{len(raw)};".encode())
            total.update(raw)
    return total.hexdigest()


def take(targets: Any, indices: Sequence[int] | Tensor) -> Any:
    """Return the targets at ``indices``: a tensor from a tensor, a list from anything else."""
    if isinstance(targets, Tensor):
        return targets[torch.as_tensor(indices)]
    return [targets[int(index)] for index in indices]
