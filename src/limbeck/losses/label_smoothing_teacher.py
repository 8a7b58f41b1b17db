"""Revisiting knowledge distillation via label smoothing regularization (Yuan et al. 2020)."""

import math
from typing import ClassVar

import torch
from torch import Tensor

from limbeck.checks import between, temperature_in_range
from limbeck.functional.divergence import row_kl
from limbeck.functional.log_space import log_softened
from limbeck.losses.base import DistillationLoss
from limbeck.losses.rows import labelled_mean, labels, rows
from limbeck.types import Context


class LabelSmoothingTeacher(DistillationLoss):
    """Learn from a teacher made by hand, right with probability a and even otherwise: T² · KL(u_T ‖ p_s).

    Yuan, Tay, Li, Wang, Feng, "Revisiting Knowledge Distillation via Label Smoothing Regularization" (Tf-KD), CVPR
    2020, arXiv 1909.11723. Much of what a teacher does is to keep the student from certainty, and for that no network
    is needed; the teacher of the call is ignored.

    Definition:
        With y the label of the row, a = ``probability``, T = ``temperature``::

            u[y] = a,  u[c] = (1 − a) / (C − 1) for every other class c
            u_T  = softmax(log u / T),  p_s = softmax(z_s / T)
            loss = T² · 1/R · Σ over the R rows that have a label of Σ over classes of u_T (log u_T − log p_s)

        The loss is 0 if no row has a label.
        At T = 1, u_T = u, and the loss is the cross-entropy with smoothed labels less their entropy: label smoothing
        of strength ε = (1 − a) · C / (C − 1), where smoothing gives ε / C to every class and the rest to the label.

    Differs from the paper:
        The factor T² is ours, as in :class:`KD`. The public code softens u itself, softmax(u / T), not its logarithm:
        all but flat at any T of 1 or more. It leaves the student at T = 1 and makes up for both with a factor of its
        own for each network.

    When it helps:
        No teacher at hand, and a student that overfits: as label smoothing does. It knows nothing of how classes
        resemble one another, so it cannot stand in for a good teacher.

    Args:
        probability: a, from 0.5 to 0.9999; 0.99 in the public code, at least 0.9 in the paper.
        temperature: T > 0; 20 in the paper.

    Shape:
        student (N, C) or (N, L, C) logits, the context's targets (N,) or (N, L) class indices, -100 where there is
        none; returns a scalar, a mean over labelled rows.

    Raises:
        LimbeckError: settings out of range; no targets, targets that are not indices of the student's classes, one
            for each row; fewer than two classes.

    Example:
        >>> loss = LabelSmoothingTeacher(probability=0.9, temperature=1)
        >>> smoothed = torch.tensor([[0.9, 0.05, 0.05]]).log()
        >>> abs(round(loss(smoothed, None, Context(targets=torch.tensor([0]))).item(), 4))
        0.0
    """

    paper: ClassVar[str] = "Yuan, Tay, Li, Wang, Feng 2020, arXiv 1909.11723"
    same_shape: ClassVar[bool] = False  # the teacher's output is not read
    usual_weights: ClassVar[tuple[float, float]] = (0.9, 0.1)  # the public code's reg_alpha
    needs: ClassVar[frozenset[str]] = frozenset({"targets"})

    def __init__(self, probability: float = 0.99, temperature: float = 20.0):
        super().__init__()
        self.probability = between("probability", probability, 0.5, 0.9999)
        self.temperature = temperature_in_range(temperature)

    def forward(self, student: Tensor, teacher: object = None, context: Context | None = None) -> Tensor:
        """Return T² · KL(u_T ‖ p_s); ``teacher`` is ignored."""
        known, _ = rows("LabelSmoothingTeacher", student, student)
        targets, labelled = labels("LabelSmoothingTeacher", student, context)
        log_s = log_softened(known, self.temperature)
        log_u = log_softened(self.logits(targets, log_s), self.temperature)
        return self.temperature**2 * labelled_mean(row_kl(log_s, log_u), labelled)

    def logits(self, targets: Tensor, like: Tensor) -> Tensor:
        """Return the virtual teacher's logits log u for class indices (R,), as a tensor ``like`` (R, C)."""
        elsewhere = torch.full_like(like, math.log((1 - self.probability) / (like.shape[-1] - 1)))
        return elsewhere.scatter(1, targets.unsqueeze(1), math.log(self.probability))

    def extra_repr(self) -> str:
        """Show the settings in ``repr``."""
        return f"probability={self.probability:g}, temperature={self.temperature:g}"
