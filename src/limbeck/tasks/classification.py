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
        """Return the mean cross-entropy of the labelled samples; zero, with a gradient of zero, if none is.

        Args:
            outputs: with ``"logits"`` (N, C), or (N, …, C) with as many targets.
            batch: its targets are class indices (N,), or shares of the classes (N, C), floats that sum to 1, as mixed
                samples have.

        Raises:
            LimbeckError: shares of another number of classes.
        """
        logits = full_precision(outputs["logits"])
        if batch.targets is None:
            return logits.sum() * 0.0
        targets = batch.targets
        if are_shares(targets):
            _refuse_other_shares(logits, targets)
            targets = targets.to(logits.dtype)
        if batch.labelled is not None:
            mask = batch.labelled
            known = torch.where(mask[:, None] if are_shares(targets) else mask, targets, 0)
            rows = F.cross_entropy(logits, known, reduction="none")
            return torch.where(mask, rows, 0.0).sum() / mask.sum().clamp(min=1)
        return F.cross_entropy(logits, targets)

    def labels(self, batch: Batch) -> Any:
        """Return class indices, -100 where a sample has none; of mixed samples the shares, which no loss takes for one.

        Losses and schemes that need one class a sample refuse shares (:func:`one_class_each`).
        """
        if batch.targets is None or batch.labelled is None or are_shares(batch.targets):
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


def are_shares(targets: Any) -> bool:
    """Return whether targets are shares of the classes, (N, C) floats, rather than one class each.

    Example:
        >>> are_shares(torch.tensor([[0.7, 0.3]])), are_shares(torch.tensor([1]))
        (True, False)
    """
    return isinstance(targets, Tensor) and targets.is_floating_point() and targets.dim() > 1


def one_class_each(who: str, labels: Any) -> None:
    """Refuse the labels of mixed samples, which are shares of several classes.

    Args:
        who: needs one class a sample, for the message.
        labels: what :meth:`Classification.labels` returned.

    Raises:
        LimbeckError: they are shares.
    """
    if are_shares(labels):
        raise LimbeckError(
            f"{who} needs one class for each sample, and a mixed sample has shares of two: leave --mix out."
        )


def _refuse_other_shares(logits: Tensor, targets: Tensor) -> None:
    if targets.shape != logits.shape:
        raise LimbeckError(
            f"Shares of classes {tuple(targets.shape)} met logits {tuple(logits.shape)}: mix the targets of as many "
            "classes as the model has."
        )


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
