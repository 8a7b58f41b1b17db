"""How closely a student's outputs follow its teacher's."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from limbeck.evaluate.mistakes import Mistakes, mistakes
from limbeck.functional import soft_kl
from limbeck.tasks import Task
from limbeck.types import Batch, Outputs


@dataclass(frozen=True)
class Fidelity:
    """Agreement and divergence between two models, as opposed to the accuracy of either.

    Args:
        agreement: share of samples on which both name the same class; ``None`` for regression.
        kl: mean KL(teacher ‖ student) at T = 1 in nats; for regression, the mean squared difference.
        mistakes: which of the teacher's mistakes the student inherits, where samples have class labels.
    """

    agreement: float | None
    kl: float
    mistakes: Mistakes | None = None


def fidelity(
    student: Callable[[Batch], Outputs],
    teacher: Callable[[Batch], Outputs],
    data: Iterable[Batch],
    task: Task,
    *,
    device: torch.device | str = "cpu",
) -> Fidelity:
    """Compare two models' first outputs on ``data``.

    Args:
        student: batch -> outputs.
        teacher: batch -> outputs.
        data: batches; labels, where there are any, are looked at for the mistakes alone.
        task: names the output and marks what has no label.
        device: where batches are put.

    Example:
        >>> from limbeck.tasks import Classification
        >>> same = lambda batch: Outputs(logits=batch.inputs)
        >>> fidelity(same, same, [Batch(torch.eye(3))], Classification())
        Fidelity(agreement=1.0, kl=0.0, mistakes=None)
    """
    name = task.outputs[0]
    told, found = Mistakes(), []
    with torch.no_grad():
        for batch in (each.to(device) for each in data):
            ours, theirs = student(batch)[name].float(), teacher(batch)[name].float()
            found.append((ours.cpu(), theirs.cpu()))
            told += _mistakes(ours, theirs, task.labels(batch))
    ours, theirs = (torch.cat(each) for each in zip(*found, strict=True))
    if ours.dim() == 1:
        return Fidelity(None, float((ours - theirs).square().mean()))
    agreement = (ours.argmax(-1) == theirs.argmax(-1)).float().mean()
    kl = max(0.0, float(soft_kl(ours, theirs)))
    return Fidelity(float(agreement), kl, told if told.samples else None)


def _mistakes(student: Tensor, teacher: Tensor, labels: Any) -> Mistakes:
    """Count one batch's, none where its labels are not classes."""
    named = (
        isinstance(labels, Tensor) and not labels.is_floating_point() and labels.shape == student.shape[:-1]
    )
    return mistakes(student, teacher, labels) if named else Mistakes()
