"""How closely a student's outputs follow its teacher's."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from limbeck.functional import soft_kl
from limbeck.tasks import Task
from limbeck.types import Batch, Outputs


@dataclass(frozen=True)
class Fidelity:
    """Agreement and divergence between two models, as opposed to the accuracy of either.

    Args:
        agreement: share of samples on which both name the same class; ``None`` for regression.
        kl: mean KL(teacher ‖ student) at T = 1 in nats; for regression, the mean squared difference.
    """

    agreement: float | None
    kl: float


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
        data: batches; labels are not looked at.
        task: names the output.
        device: where batches are put.

    Example:
        >>> from limbeck.tasks import Classification
        >>> same = lambda batch: Outputs(logits=batch.inputs)
        >>> fidelity(same, same, [Batch(torch.eye(3))], Classification())
        Fidelity(agreement=1.0, kl=0.0)
    """
    name = task.outputs[0]
    with torch.no_grad():
        pairs = [
            (student(batch)[name].float().cpu(), teacher(batch)[name].float().cpu())
            for batch in (each.to(device) for each in data)
        ]
    ours, theirs = torch.cat([s for s, _ in pairs]), torch.cat([t for _, t in pairs])
    if ours.dim() == 1:
        return Fidelity(None, float((ours - theirs).square().mean()))
    agreement = (ours.argmax(-1) == theirs.argmax(-1)).float().mean()
    return Fidelity(float(agreement), max(0.0, float(soft_kl(ours, theirs))))
