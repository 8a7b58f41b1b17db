"""Decoupled knowledge distillation (Zhao et al. 2022)."""

from typing import ClassVar

from torch import Tensor

from limbeck.checks import between, temperature_in_range
from limbeck.functional.decoupling import decoupled_kl
from limbeck.losses.base import DistillationLoss
from limbeck.losses.rows import labelled_mean, labels, rows
from limbeck.types import Context


class DKD(DistillationLoss):
    """Teach label against the rest, and the rest among themselves, apart: T² · (a · KL_target + b · KL_non-target).

    Zhao, Cui, Song, Qiu, Liang, "Decoupled Knowledge Distillation", CVPR 2022, arXiv 2203.08679. KD is the sum of
    a term on the label's probability and of one on the other classes, the latter weighted by 1 − p_t,y: the surer
    the teacher, the less it tells of the wrong classes. Decoupled, each part has a weight of its own.

    Definition:
        With y the label of a row, p = softmax(z / T) on each side, and p̂_c = p_c / (1 − p_y) for c ≠ y::

            target     = p_t,y log(p_t,y / p_s,y) + (1 − p_t,y) log((1 − p_t,y) / (1 − p_s,y))
            non_target = Σ_{c ≠ y} p̂_t,c log(p̂_t,c / p̂_s,c)

        loss = T² · 1/R · Σ_rows (target_weight · target + non_target_weight · non_target), over the R rows that
        have a label; 0 if none has. With two classes only one is left beside the label, and non_target is 0. With
        weights 1 and 1 − p_t,y the sum is KD exactly.

    Differs from the paper:
        Computed from log-odds, so that logits thousands apart give finite values (the public code takes the log of
        a probability that underflows). The public code also raises the loss's weight linearly over the first 20
        epochs: give the term a schedule for that. Rows whose label is -100 are left out.

    When it helps:
        When the teacher is very sure, so that KD hardly teaches the wrong classes. non_target_weight wants a
        search: published settings go from 8 at T = 4 on CIFAR-100 to 0.5 at T = 1 on ImageNet.

    Args:
        temperature: T > 0 (the paper: 4 on CIFAR-100).
        target_weight: weight of the part on the label, at least 0 (the paper's α).
        non_target_weight: weight of the part on the other classes, at least 0 (the paper's β).

    Shape:
        student and teacher (N, C) or (N, L, C) logits, the context's targets (N,) or (N, L) class indices, -100
        where there is none; returns a scalar, a mean over labelled rows.

    Raises:
        LimbeckError: settings out of range; shapes that differ; fewer than two classes; no targets, or targets that
            are no class indices.

    Example:
        >>> import torch
        >>> logits, labels = torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([0])
        >>> DKD()(logits, logits, Context(targets=labels)).item()
        0.0
    """

    paper: ClassVar[str] = "Zhao, Cui, Song, Qiu, Liang 2022, arXiv 2203.08679"
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 1.0)
    needs: ClassVar[frozenset[str]] = frozenset({"targets"})

    def __init__(self, temperature: float = 4.0, target_weight: float = 1.0, non_target_weight: float = 8.0):
        super().__init__()
        self.temperature = temperature_in_range(temperature)
        self.target_weight = between("target_weight", target_weight, 0, float("inf"))
        self.non_target_weight = between("non_target_weight", non_target_weight, 0, float("inf"))

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return T² times the weighted sum of the two parts, a mean over labelled rows."""
        known, taught = rows("DKD", student, teacher)
        label, labelled = labels("DKD", student, context)
        target, rest = decoupled_kl(known / self.temperature, taught / self.temperature, label)
        parts = self.target_weight * target + self.non_target_weight * rest
        return self.temperature**2 * labelled_mean(parts, labelled)

    def extra_repr(self) -> str:
        """Show the settings in ``repr``."""
        return (
            f"temperature={self.temperature:g}, target_weight={self.target_weight:g}, "
            f"non_target_weight={self.non_target_weight:g}"
        )
