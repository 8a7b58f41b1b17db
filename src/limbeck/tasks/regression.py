"""One value for each sample."""

import math
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.functional.precision import full_precision
from limbeck.tasks.base import Metrics, Task
from limbeck.types import Batch, Outputs


class Regression(Task):
    """Scalar regression: values (N,) or (N, 1) against targets (N,), by mean squared error.

    Models answer on the targets' own scale. Inside, ``value`` is standardised by ``mean`` and ``std``, so that
    losses and their weights mean the same for house prices as for lengths; scores are on the original scale.

    Args:
        mean: mean of the training targets.
        std: their standard deviation, above zero.
        shape: shape of one input without the batch, for ``example_input``.

    Example:
        >>> task = Regression(mean=10.0, std=2.0)
        >>> outputs = task.named(torch.tensor([[12.0]]))
        >>> outputs["value"].tolist(), task.loss(outputs, Batch(torch.zeros(1, 1), torch.tensor([12.0]))).item()
        ([1.0], 0.0)
    """

    name: ClassVar[str] = "regression"
    outputs: ClassVar[tuple[str, ...]] = ("value",)
    metric: ClassVar[str] = "rmse"
    higher_is_better: ClassVar[bool] = False

    def __init__(self, mean: float = 0.0, std: float = 1.0, shape: tuple[int, ...] | None = None):
        if not (0 < std < math.inf and math.isfinite(mean)):
            raise LimbeckError(
                f"Regression needs targets that differ and fit 32-bit numbers; their mean is {mean!r} and their "
                f"standard deviation {std!r}."
            )
        self.mean, self.std, self.shape = mean, std, shape

    def named(self, value: Any) -> Outputs:
        """Return the model's answer standardised, as (N,), whatever its trailing dimension of one."""
        outputs = super().named(value)
        return Outputs(
            {**outputs, "value": (full_precision(outputs["value"]).flatten() - self.mean) / self.std}
        )

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Return the mean squared error of the labelled samples on the standardised scale."""
        value = full_precision(outputs["value"]).flatten()
        if batch.targets is None:
            return value.sum() * 0.0
        wanted = self.standardised(batch.targets, value)
        if batch.labelled is not None:
            errors = torch.where(batch.labelled, value - wanted, 0.0).square()
            return errors.sum() / batch.labelled.sum().clamp(min=1)
        return F.mse_loss(value, wanted)

    def labels(self, batch: Batch) -> Any:
        """Return the targets standardised, not a number where a sample has none."""
        if batch.targets is None:
            return None
        wanted = (batch.targets.flatten().float() - self.mean) / self.std
        return wanted if batch.labelled is None else torch.where(batch.labelled, wanted, torch.nan)

    def standardised(self, targets: Tensor, value: Tensor) -> Tensor:
        """Return targets (N,) or (N, 1) on the scale of ``value`` (N,)."""
        if targets.numel() != value.numel():
            raise LimbeckError(
                f"Regression needs one target for each sample, but {value.numel()} values met targets of shape "
                f"{tuple(targets.shape)}."
            )
        return (targets.flatten().to(value.dtype) - self.mean) / self.std

    def metrics(self, full: bool = True) -> Metrics:
        """Return root mean squared error, mean absolute error and R² on the original scale."""
        return RegressionMetrics(self)

    def example_input(self) -> Tensor:
        """Return zeros of the shape given to the constructor, as a batch of one."""
        if self.shape is None:
            raise LimbeckError("Regression knows no input shape: give it shape=(features,).")
        return torch.zeros(1, *self.shape)


class RegressionMetrics:
    """RMSE, MAE and R² on the scale of the targets; R² of a single sample is not a number."""

    def __init__(self, task: Regression):
        from torchmetrics import MeanAbsoluteError, MeanSquaredError, MetricCollection, R2Score

        self.task = task
        self._collection: Any = MetricCollection(
            {"rmse": MeanSquaredError(squared=False), "mae": MeanAbsoluteError(), "r2": R2Score()},
            compute_groups=False,
        )

    def update(self, outputs: Outputs, batch: Batch) -> None:
        """Take in one batch of values and targets."""
        # Standardised, and scaled at the end: sums of squares of large targets would lose their digits.
        value = full_precision(outputs["value"]).flatten()
        wanted = self.task.standardised(batch.targets, value)
        if batch.labelled is not None:
            value, wanted = value[batch.labelled], wanted[batch.labelled]
        if len(value):
            self._collection.to(value.device).update(value, wanted)

    def compute(self) -> dict[str, float]:
        """Return the scores, joined over processes."""
        scores = {}
        for name, metric in self._collection.items(keep_base=True):
            scale = 1.0 if name == "r2" else self.task.std
            try:
                scores[name] = float(metric.compute()) * scale
            except ValueError:  # torchmetrics: R² needs two samples
                scores[name] = math.nan
        return scores

    def details(self) -> dict[str, Tensor]:
        """Return nothing: regression has no table."""
        return {}
