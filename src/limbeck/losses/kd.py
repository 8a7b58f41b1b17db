"""Distilling the knowledge in a neural network (Hinton, Vinyals, Dean 2015)."""

from typing import ClassVar

from torch import Tensor

from limbeck.checks import temperature_in_range
from limbeck.functional import soft_kl
from limbeck.losses.base import DistillationLoss, distributions
from limbeck.types import Context


class KD(DistillationLoss):
    """Match the teacher's softened class probabilities: T² · KL(p_t ‖ p_s), both at temperature T.

    Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv 1503.02531. The
    factor T² keeps the gradient's size as T changes, so that the loss weight means the same at every T.
    The paper writes the cross-entropy with soft targets; the KL differs from it by the teacher's entropy
    only, has the same gradient, and is zero when the student agrees.

    Definition:
        p_s = softmax(z_s / T), p_t = softmax(z_t / T) over classes;
        loss = T² · mean over rows of Σ_c p_t,c (log p_t,c − log p_s,c), where p_t,c = 0 counts nothing.

    Differs from the paper:
        KL in place of the cross-entropy: the same gradient, another constant.

    When it helps:
        Almost always worth trying first. Little where there are two classes or the teacher is certain of everything:
        then raise the temperature, or teach features.

    Args:
        temperature: T > 0 (the paper used 1 to 20; 4 is a usual start). Higher when the wrong classes carry
            information, lower to suppress their noise.

    Shape:
        student and teacher (N, C) or (N, L, C) logits; returns a scalar, a mean over rows.

    Raises:
        LimbeckError: temperature out of range; shapes that differ; fewer than two classes.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[2.0, 0.0, -1.0]])
        >>> KD(temperature=4)(logits, logits).item()
        0.0
    """

    paper: ClassVar[str] = "Hinton, Vinyals, Dean 2015, arXiv 1503.02531"

    def __init__(self, temperature: float = 4.0):
        super().__init__()
        self.temperature = temperature_in_range(temperature)

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return T² · KL(p_t ‖ p_s)."""
        distributions("KD", student, teacher)
        return self.temperature**2 * soft_kl(student, teacher.detach(), self.temperature)

    def extra_repr(self) -> str:
        """Show the temperature in ``repr``."""
        return f"temperature={self.temperature:g}"
