"""From knowledge distillation to self-knowledge distillation: normalised KD (Yang et al. 2023)."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from limbeck.checks import between, temperature_in_range
from limbeck.functional.decoupling import others
from limbeck.losses.base import DistillationLoss
from limbeck.losses.rows import labelled_mean, labels, rows
from limbeck.types import Context


class NKD(DistillationLoss):
    """Teach the label's soft share and the normalised rest: −p_t,y log p_s,y − γT² Σ_{c ≠ y} p̂_t,c log p̂_s,c.

    Yang, Zeng, Li, Zhang, Yuan, Li, "From Knowledge Distillation to Self-Knowledge Distillation: A Unified Approach
    with Normalized Loss and Customized Soft Labels", ICCV 2023, arXiv 2303.13005. KD's probabilities of the wrong
    classes sum to something else on either side, so they cannot be made equal; normalised to sum to one they can.

    Definition:
        With y the label of a row, q = softmax(z) at temperature 1, and p̂ = softmax over c ≠ y of z_c / T::

            target     = −q_t,y log q_s,y
            non_target = −Σ_{c ≠ y} p̂_t,c log p̂_s,c

        loss = 1/R · Σ_rows (target + non_target_weight · T² · non_target), over the R rows that have a label; 0 if
        none has. These are cross-entropies, as in the paper: not zero when the student agrees. The non-target part
        is smallest, and its gradient zero, when p̂_s = p̂_t; with two classes it is 0.

    Differs from the paper:
        Nothing in the formula. Targets are class indices (the public code also takes the largest of soft labels);
        rows whose label is -100 are left out.

    When it helps:
        As DKD, with one setting less to search. The target part is a hard loss weighted by the teacher's trust in
        the label, so it does not correct a label that the teacher rightly doubts, but only weakens it.

    Args:
        temperature: T > 0 of the non-target part (the paper: 1 on ImageNet and CIFAR-100).
        non_target_weight: weight of the non-target part, at least 0 (the paper's γ: 1.5).

    Shape:
        student and teacher (N, C) or (N, L, C) logits, the context's targets (N,) or (N, L) class indices, -100
        where there is none; returns a scalar, a mean over labelled rows.

    Raises:
        LimbeckError: settings out of range; shapes that differ; fewer than two classes; no targets, or targets that
            are no class indices.

    Example:
        >>> import torch
        >>> logits, labels = torch.tensor([[0.0, 0.0]]), torch.tensor([0])
        >>> round(NKD()(logits, logits, Context(targets=labels)).item(), 4)  # ½ log 2
        0.3466
    """

    paper: ClassVar[str] = "Yang, Zeng, Li, Zhang, Yuan, Li 2023, arXiv 2303.13005"
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 1.0)
    needs: ClassVar[frozenset[str]] = frozenset({"targets"})

    def __init__(self, temperature: float = 1.0, non_target_weight: float = 1.5):
        super().__init__()
        self.temperature = temperature_in_range(temperature)
        self.non_target_weight = between("non_target_weight", non_target_weight, 0, float("inf"))

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return the target part plus the weighted non-target part, a mean over labelled rows."""
        known, taught = rows("NKD", student, teacher)
        label, labelled = labels("NKD", student, context)
        trust = torch.exp(-F.cross_entropy(taught, label, reduction="none"))
        target = trust * F.cross_entropy(known, label, reduction="none")
        log_s = F.log_softmax(others(known, label) / self.temperature, 1)
        wanted = F.softmax(others(taught, label) / self.temperature, 1)
        rest = -(wanted * log_s.masked_fill(wanted == 0, 0.0)).sum(1)  # 0 · log 0 where classes are masked
        return labelled_mean(target + self.non_target_weight * self.temperature**2 * rest, labelled)

    def extra_repr(self) -> str:
        """Show the settings in ``repr``."""
        return f"temperature={self.temperature:g}, non_target_weight={self.non_target_weight:g}"
