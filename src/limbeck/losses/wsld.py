"""Rethinking soft labels for knowledge distillation: a bias-variance tradeoff perspective (Zhou et al. 2021)."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from limbeck.checks import temperature_in_range
from limbeck.functional.decoupling import log_odds
from limbeck.functional.divergence import row_kl
from limbeck.losses.base import DistillationLoss
from limbeck.losses.rows import labelled_mean, labels, rows
from limbeck.types import Context


class WSLD(DistillationLoss):
    """KD weighted by sample, less where the student beats the teacher: T² · (1 − exp(−CE_s / CE_t)) · KL(p_t ‖ p_s).

    Zhou, Song, Chen, Zhou, Wang, Yuan, Zhang, "Rethinking Soft Labels for Knowledge Distillation: A Bias-Variance
    Tradeoff Perspective", ICLR 2021, arXiv 2102.00650. Soft labels lower variance and raise bias, sample by sample.
    Where the student already fits the label better than the teacher does, the soft label mostly adds bias, so it
    counts less there.

    Definition:
        For each row with label y, with CE = −log softmax(z)_y at temperature 1 and p = softmax(z / T)::

            weight = 1 − exp(−CE_s / (CE_t + 1e-7))
            kl     = Σ_c p_t log(p_t / p_s)

        loss = T² · 1/R · Σ_rows weight · kl, over the R rows that have a label; 0 if none has. No gradient passes
        through the weight.

    Differs from the paper:
        KL where the paper writes the cross-entropy with soft labels: the gradient is the same, since the weight has
        none, and the loss is zero at agreement. Rows whose label is -100 are left out.

    When it helps:
        Late in training and with teachers that are wrong on part of the training set. With a teacher that fits its
        training set perfectly CE_t is near 0, every weight near 1, and this is KD.

    Args:
        temperature: T > 0 (the paper: 2 on ImageNet with weight 2.5, 4 on CIFAR-100 with weight 2.25).

    Shape:
        student and teacher (N, C) or (N, L, C) logits, the context's targets (N,) or (N, L) class indices, -100
        where there is none; returns a scalar, a mean over labelled rows.

    Raises:
        LimbeckError: temperature out of range; shapes that differ; fewer than two classes; no targets, or targets
            that are no class indices.

    Example:
        >>> import torch
        >>> logits, labels = torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([0])
        >>> WSLD()(logits, logits, Context(targets=labels)).item()
        0.0
    """

    paper: ClassVar[str] = "Zhou, Song, Chen, Zhou, Wang, Yuan, Zhang 2021, arXiv 2102.00650"
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 2.5)
    needs: ClassVar[frozenset[str]] = frozenset({"targets"})

    def __init__(self, temperature: float = 2.0):
        super().__init__()
        self.temperature = temperature_in_range(temperature)

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return T² times the weighted KL, a mean over labelled rows."""
        known, taught = rows("WSLD", student, teacher)
        label, labelled = labels("WSLD", student, context)
        log_s, log_t = (F.log_softmax(each / self.temperature, 1) for each in (known, taught))
        weight = self.weights(known.detach(), taught, label)
        return self.temperature**2 * labelled_mean(weight * row_kl(log_s, log_t), labelled)

    @staticmethod
    def weights(student: Tensor, teacher: Tensor, label: Tensor) -> Tensor:
        """Return 1 − exp(−CE_s / CE_t) of each row of (R, C) logits, from 0 to 1."""
        ce_s, ce_t = (-F.logsigmoid(log_odds(each, label)) for each in (student, teacher))
        return -torch.expm1(-ce_s / (ce_t + 1e-7))

    def extra_repr(self) -> str:
        """Show the temperature in ``repr``."""
        return f"temperature={self.temperature:g}"
