"""A source seen with other labels, or with some of them hidden."""

from typing import Any

import torch
from torch import Tensor

from limbeck.data.source import Source, digest


class Relabelled:
    """The samples of a source with other targets; what the source itself says of them reaches no batch.

    An index means the same sample as before, and its views look the same.

    Args:
        source: the samples.
        targets: (N,) what they are now; anything where ``labelled`` is false: it is replaced by 0.
        labelled: (N,) bool, which of them have a label; ``None`` for those that had one before.

    Raises:
        ValueError: not one target, or not one mark, for each sample.

    Example:
        >>> from limbeck.data import TensorSource
        >>> source = TensorSource(torch.rand(3, 2), torch.tensor([1, 2, 1]))
        >>> Relabelled(source, source.targets, torch.tensor([True, False, True])).targets
        tensor([1, 0, 1])
    """

    def __init__(self, source: Source, targets: Tensor, labelled: Tensor | None = None):
        labelled = getattr(source, "labelled", None) if labelled is None else labelled
        if len(targets) != len(source) or (labelled is not None and len(labelled) != len(source)):
            raise ValueError(
                f"{len(source)} samples, but {len(targets)} targets or as many marks do not agree"
            )
        self.source = source
        self.labelled = labelled
        self.targets: Any = targets if labelled is None else torch.where(labelled, targets, 0)
        self.stochastic = bool(getattr(source, "stochastic", False))
        self.collate_fn = getattr(source, "collate_fn", None)
        self.read_many = getattr(source, "read_many", None)
        self.statistics = getattr(source, "statistics", None)
        self._pair = getattr(source, "read_pair", None)
        # only where targets come with the samples: elsewhere they are looked up
        self.read_pair = self._relabelled_pair if self._pair is not None else None

    def __len__(self) -> int:
        return len(self.source)

    def read(self, index: int) -> Tensor:
        """Return sample ``index``."""
        return self.source.read(index)

    def fingerprint(self) -> str:
        """Return a sha256 of the source's content and of the labels as they are now."""
        marks = [] if self.labelled is None else [self.labelled]
        return digest([self.source.fingerprint(), self.targets, *marks])

    def _relabelled_pair(self, index: int) -> tuple[Any, Any]:
        assert self._pair is not None
        sample, was = self._pair(index)
        target = self.targets[index]
        return sample, target.to(was.dtype).view(was.shape) if isinstance(was, Tensor) else target.item()
