"""One class out of several for each sample."""

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.functional.precision import full_precision
from limbeck.tasks.base import Metrics, Task
from limbeck.types import Batch, Outputs

UNLABELLED = -100  # what torch's own cross-entropy passes over


class Classification(Task):
    """Single-label classification: logits (N, C) against class indices (N,), by cross-entropy at T = 1.

    Args:
        classes: C, needed only where nothing else tells it (``example_input`` and metrics learn it from logits).
        shape: shape of one input without the batch, for ``example_input``.

    Example:
        >>> task = Classification()
        >>> logits, labels = torch.tensor([[9.0, 0.0]]), torch.tensor([0])
        >>> task.loss(Outputs(logits=logits), Batch(logits, labels)).item() < 0.01
        True
    """

    name: ClassVar[str] = "classification"
    outputs: ClassVar[tuple[str, ...]] = ("logits",)
    metric: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True

    def __init__(self, classes: int | None = None, shape: tuple[int, ...] | None = None):
        self.classes = classes
        self.shape = shape

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of the labelled samples; zero, with a gradient of zero, if none is."""
        logits = full_precision(outputs["logits"])
        if batch.targets is None:
            return logits.sum() * 0.0
        if batch.labelled is not None:
            mask = batch.labelled
            rows = F.cross_entropy(logits, torch.where(mask, batch.targets, 0), reduction="none")
            return torch.where(mask, rows, 0.0).sum() / mask.sum().clamp(min=1)
        return F.cross_entropy(logits, batch.targets)

    def labels(self, batch: Batch) -> Any:
        """Return class indices, -100 where a sample has none."""
        if batch.targets is None or batch.labelled is None:
            return batch.targets
        return torch.where(batch.labelled, batch.targets, UNLABELLED)

    def metrics(self, full: bool = True) -> Metrics:
        """Return accuracy and log-likelihood; with ``full``, calibration, F1, top-5 and the confusion matrix."""
        return ClassificationMetrics(full)

    def example_input(self) -> Tensor:
        """Return zeros of the shape given to the constructor, as a batch of one."""
        if self.shape is None:
            raise LimbeckError(
                "Classification knows no input shape: give it shape=(channels, height, width)."
            )
        return torch.zeros(1, *self.shape)


class ClassificationMetrics:
    """Accuracy, negative log-likelihood and, in full, everything else that the report shows."""

    def __init__(self, full: bool):
        self.full = full
        self._collection: Any = None

    def update(self, outputs: Outputs, batch: Batch) -> None:
        """Take in one batch of logits and labels."""
        logits, targets = full_precision(outputs["logits"]), batch.targets
        if batch.labelled is not None:
            logits, targets = logits[batch.labelled], targets[batch.labelled]
        if self._collection is None:
            self._collection = self._build(logits.shape[-1]).to(logits.device)
        losses = F.cross_entropy(logits, targets, reduction="none")
        probabilities = logits.softmax(-1)
        for name, metric in self._collection.items(keep_base=True):
            if name == "nll":
                metric.update(losses)
            else:
                metric.update(probabilities, targets)

    def _build(self, classes: int) -> Any:
        from torchmetrics import MeanMetric, MetricCollection
        from torchmetrics.classification import (
            MulticlassAccuracy,
            MulticlassCalibrationError,
            MulticlassConfusionMatrix,
            MulticlassF1Score,
        )

        shared: dict[str, Any] = {"num_classes": classes, "validate_args": False}
        metrics: dict[str, Any] = {
            "accuracy": MulticlassAccuracy(average="micro", **shared),
            "nll": MeanMetric(nan_strategy="disable"),
        }
        if self.full:
            metrics["calibration_error"] = MulticlassCalibrationError(**shared)
            metrics["macro_f1"] = MulticlassF1Score(average="macro", **shared)
            metrics["confusion"] = MulticlassConfusionMatrix(**shared)
            if classes >= 20:
                metrics["top5_accuracy"] = MulticlassAccuracy(average="micro", top_k=5, **shared)
        return MetricCollection(metrics, compute_groups=False)

    def compute(self) -> dict[str, float]:
        """Return the scores, joined over processes."""
        return {
            name: float(metric.compute())
            for name, metric in self._collection.items(keep_base=True)
            if name != "confusion"
        }

    def details(self) -> dict[str, Tensor]:
        """Return ``confusion``: (C, C) counts, rows are the true classes."""
        if not self.full:
            return {}
        return {"confusion": self._collection["confusion"].compute().cpu()}
