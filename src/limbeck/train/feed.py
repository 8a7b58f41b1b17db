"""What the loop reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils.data import Dataset

from limbeck.data.loader import Part


@dataclass(frozen=True)
class Feed:
    """The training part, augmented, and the validation part, as it is.

    Args:
        train: the samples to learn from.
        validation: the samples by which epochs are chosen; ``None`` keeps the last epoch.

    Example:
        >>> import torch
        >>> pairs = [(torch.zeros(4), 0), (torch.ones(4), 1)]
        >>> feed = Feed.of(pairs, pairs)
        >>> len(feed.train)
        2
    """

    train: Part
    validation: Part | None = None

    @classmethod
    def of(cls, train: Dataset[Any] | Sequence[Any], validation: Dataset[Any] | Sequence[Any] | None = None) -> "Feed":
        """Make a feed from any datasets of (input, target) pairs, read without augmentation.

        Args:
            train: a map-style dataset.
            validation: another, or ``None``.
        """
        from limbeck.data import part_of

        return cls(part_of(train), part_of(validation) if validation is not None else None)


def targets_of(part: Part) -> Tensor:
    """Return the targets of a part, in its order."""
    return part.views.source.targets[part.indices]
