"""Scores of anything that predicts."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.tasks import Task
from limbeck.types import Batch, Outputs


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Args:
        scores: score by name.
        details: tables too large for a score, such as ``confusion`` (C, C).
    """

    scores: dict[str, float]
    details: dict[str, Tensor] = field(default_factory=dict)


def evaluate(
    predict: Callable[[Batch], Outputs],
    data: Iterable[Batch],
    task: Task,
    *,
    device: torch.device | str = "cpu",
    full: bool = True,
) -> Evaluation:
    """Measure ``predict`` on ``data``; teacher, student, ensemble and exported models all come through here.

    Args:
        predict: batch -> named outputs; put a network in eval mode first (:func:`predictor` does).
        data: batches with targets; over several processes each gives its own share.
        task: says what the outputs mean and which scores to take.
        device: where batches are put.
        full: also take the scores that are too slow for every epoch.

    Raises:
        LimbeckError: there is no data.

    Example:
        >>> from limbeck.tasks import Classification
        >>> logits = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
        >>> batch = Batch(logits, torch.tensor([0, 0]))
        >>> evaluate(lambda b: Outputs(logits=b.inputs), [batch], Classification()).scores["accuracy"]
        0.5
    """
    metrics = task.metrics(full)
    seen = 0
    with torch.no_grad():
        for batch in (each.to(device) for each in data):
            metrics.update(predict(batch), batch)
            seen += len(batch)
    if not seen:
        raise LimbeckError("There is nothing to evaluate on: the data part has no samples.")
    return Evaluation(metrics.compute(), metrics.details())


def predictor(model: torch.nn.Module, task: Task, role: str = "student") -> Callable[[Batch], Outputs]:
    """Return ``model``, put in eval mode, as a function from batch to outputs.

    Example:
        >>> from limbeck.tasks import Classification
        >>> predict = predictor(torch.nn.Linear(2, 3), Classification())
        >>> predict(Batch(torch.zeros(1, 2)))["logits"].shape
        torch.Size([1, 3])
    """
    model.eval()
    return lambda batch: task.call(model, batch, role)
