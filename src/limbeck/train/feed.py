"""What the loop reads."""

from dataclasses import dataclass
from typing import Any

import torch

from limbeck.data import Views
from limbeck.data.datasets import Collate, one_source
from limbeck.data.part import Part, TrainingPart


@dataclass(frozen=True)
class Feed:
    """The training part, augmented, and the validation part, as it is.

    Args:
        train: the samples to learn from: a :class:`~limbeck.data.loader.Part`, or a mixture of labelled and unlabelled
            ones.
        validation: the samples by which epochs are chosen; ``None`` keeps the last epoch.

    Example:
        >>> import torch
        >>> pairs = [(torch.zeros(4), 0), (torch.ones(4), 1)]
        >>> feed = Feed.of(pairs, pairs)
        >>> len(feed.train)
        2
    """

    train: TrainingPart
    validation: Part | None = None

    @classmethod
    def of(cls, train: Any, validation: Any = None, collate_fn: Collate | None = None) -> "Feed":
        """Make a feed from any datasets of (input, target) pairs, read as they are.

        Args:
            train: a map-style dataset, or a list of pairs.
            validation: another, or ``None``.
            collate_fn: puts pairs together where inputs or targets cannot be stacked.

        Raises:
            LimbeckError: a dataset that gives something else.
        """
        parts = [train] if validation is None else [train, validation]
        source, _ = one_source(parts, None, collate_fn)
        views, border = Views(source), len(train)
        held_out = Part(views, torch.arange(border, len(source))) if validation is not None else None
        return cls(Part(views, torch.arange(border)), held_out)
