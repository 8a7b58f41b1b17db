"""What losses on logits share: predictions as rows, the labels of some of them, a mean over those."""

import torch
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.functional.precision import full_precision
from limbeck.losses.base import distributions, needed
from limbeck.types import Context

UNLABELLED = -100
"""Stands for no label, as in :func:`torch.nn.functional.cross_entropy`."""


def rows(loss: str, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits as (R, C) in at least single precision, the teacher's without a gradient.

    Args:
        loss: name of the loss, for the message.
        student: (…, C).
        teacher: (…, C).

    Raises:
        LimbeckError: shapes that differ; no class axis; fewer than two classes.

    Example:
        >>> [tuple(each.shape) for each in rows("KD", torch.zeros(4, 3, 7), torch.zeros(4, 3, 7))]
        [(12, 7), (12, 7)]
    """
    distributions(loss, student, teacher)
    return full_precision(student).flatten(0, -2), full_precision(teacher.detach()).flatten(0, -2)


def labels(loss: str, student: Tensor, context: Context | None) -> tuple[Tensor, Tensor]:
    """Return the label of each row of the logits, 0 where there is none, and which rows have one.

    Args:
        loss: name of the loss, for the message.
        student: (…, C) logits.
        context: its targets are (…) class indices, or -100.

    Returns:
        (R,) int64 and (R,) bool.

    Raises:
        LimbeckError: no targets; other than class indices of that shape.

    Example:
        >>> labels("DKD", torch.zeros(2, 5), Context(targets=torch.tensor([3, -100])))
        (tensor([3, 0]), tensor([ True, False]))
    """
    targets = needed(loss, context, "targets")
    if isinstance(targets, Tensor) and targets.is_floating_point() and targets.shape == student.shape:
        raise LimbeckError(
            f"{loss} needs one class for each sample, and a mixed sample has shares of two: leave --mix out, so that "
            "each has its class index, or use KD, which needs no targets."
        )
    if not _are_indices(targets, student.shape[:-1]):
        raise LimbeckError(
            f"{loss} needs a class index for each of {tuple(student.shape[:-1])}, {UNLABELLED} where there is none, "
            f"not {_told(targets)}: give indices, or use KD, which needs no targets."
        )
    flat = targets.flatten().long()
    known = flat != UNLABELLED
    label = torch.where(known, flat, 0)
    _refuse_other_classes(loss, label, student.shape[-1])
    return label, known


def labelled_mean(values: Tensor, known: Tensor) -> Tensor:
    """Return the mean over rows that have a label; 0, with a gradient of 0, if none has.

    Args:
        values: (R,).
        known: (R,) bool.

    Example:
        >>> labelled_mean(torch.tensor([1.0, 2.0, 9.0]), torch.tensor([True, True, False])).item()
        1.5
    """
    return torch.where(known, values, 0.0).sum() / known.sum().clamp(min=1)


def _are_indices(targets: object, shape: torch.Size) -> bool:
    if not isinstance(targets, Tensor) or targets.shape != shape:
        return False
    return not (targets.is_floating_point() or targets.is_complex() or targets.dtype == torch.bool)


def _told(targets: object) -> str:
    return (
        f"{targets.dtype} {tuple(targets.shape)}" if isinstance(targets, Tensor) else type(targets).__name__
    )


def _refuse_other_classes(loss: str, label: Tensor, classes: int) -> None:
    if label.device.type != "cpu" or not len(label):  # elsewhere a look would wait for the device
        return
    low, high = (int(each) for each in label.aminmax())
    if low < 0 or high >= classes:
        raise LimbeckError(
            f"{loss} is given logits of {classes} classes but targets from {low} to {high}: number the classes from 0 "
            f"to {classes - 1}, {UNLABELLED} where there is no label."
        )
