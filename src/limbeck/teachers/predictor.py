"""Anything with ``predict`` as a teacher."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.tasks import Regression, Task
from limbeck.types import Batch, Outputs


class Predictor:
    """A fitted estimator, such as scikit-learn's, or a plain function, as a teacher.

    A classifier's ``predict_proba`` becomes logits (log-probabilities); otherwise ``predict``, or the callable
    itself, gives values on the targets' own scale.

    Args:
        estimator: has ``predict_proba`` or ``predict``, or is callable; takes a float32 array (N, D).
        floor: smallest probability before the logarithm, since a forest says 0 where it means "rarely".
        role: which of the batch's inputs it reads, where models have their own.

    Raises:
        LimbeckError: nothing to call; not one row for each sample.

    Example:
        >>> teacher = Predictor(lambda rows: rows.sum(1))
        >>> teacher(Batch(torch.ones(2, 3)), Regression())["value"].tolist()
        [3.0, 3.0]
    """

    def __init__(self, estimator: Any, floor: float = 1e-4, role: str = "teacher"):
        if not (hasattr(estimator, "predict_proba") or hasattr(estimator, "predict") or callable(estimator)):
            raise LimbeckError(
                f"A teacher must have predict_proba or predict, or be callable; {type(estimator).__name__} does not."
            )
        self.estimator = estimator
        self.floor = floor
        self.role = role
        self.forwards = 0

    def __call__(self, batch: Batch, task: Task | None = None, names: Sequence[str] = ()) -> Outputs:
        """Return the outputs for ``batch``; without a task, as regression's (see :class:`limbeck.teachers.Teacher`)."""
        inputs: Tensor = batch.inputs_for(self.role)
        self.forwards += len(batch)
        task = task or Regression()
        unknown = [name for name in names if name not in task.outputs]
        if unknown:
            raise LimbeckError(
                f"{type(self.estimator).__name__} has no layers, so no {unknown[0]!r} to teach from."
            )
        value = torch.as_tensor(self._predict(inputs.detach().cpu().numpy()), dtype=torch.float32)
        if value.dim() == 0 or len(value) != len(inputs):
            raise LimbeckError(
                f"{type(self.estimator).__name__} gave predictions of shape {tuple(value.shape)} for {len(inputs)} "
                "samples: it must give one for each."
            )
        return task.named(value.to(inputs.device))

    def _predict(self, rows: Any) -> Any:
        if hasattr(self.estimator, "predict_proba"):
            probabilities = torch.as_tensor(self.estimator.predict_proba(rows))
            return probabilities.clamp(min=self.floor).log()
        return self.estimator.predict(rows) if hasattr(self.estimator, "predict") else self.estimator(rows)
