"""Logit standardization in knowledge distillation (Sun et al. 2024)."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from limbeck.checks import temperature_in_range
from limbeck.functional.divergence import row_kl
from limbeck.losses.base import DistillationLoss
from limbeck.losses.rows import rows
from limbeck.types import Context


class LogitStandardization(DistillationLoss):
    """Match softened probabilities of standardised logits: T² · KL(p_t ‖ p_s) with p = softmax(z̃ / T).

    Sun, Ren, Li, Wang, Cao, "Logit Standardization in Knowledge Distillation", CVPR 2024, arXiv 2403.01427. KD
    asks the student to reproduce the teacher's logits in range and spread, which a small student cannot. Each row
    of logits is therefore brought to mean 0 and standard deviation 1 first, on both sides, so that only the
    relations between the classes are taught.

    Definition:
        For each row z of C logits, on both sides, with μ = 1/C · Σ_c z_c::

            v   = 1/C · Σ_c (z_c − μ)²
            z̃_c = (z_c − μ) / √(v + 1e-6)
            p   = softmax(z̃ / T)

        loss = T² · 1/R · Σ_rows Σ_c p_t log(p_t / p_s), over the R rows of the batch.

    Differs from the paper:
        The paper divides by the population standard deviation, as here; its public code and torchdistill divide by
        the sample's (C − 1), so that the same T is softer there by √(C / (C − 1)). The 1e-6 under the root (theirs:
        1e-7 beside it) bounds the gradient where a student's logits are all equal, as those of a classifier that
        starts at zero.

    When it helps:
        When the teacher's logits are much larger than what the student can produce: a large gap in capacity or in
        training. The student's confidence is no longer taught, so it needs the hard loss beside it to be calibrated.

    Args:
        temperature: T > 0, in units of the standard deviation of a row (the public code uses 2, with weight 9).

    Shape:
        student and teacher (N, C) or (N, L, C) logits; returns a scalar, a mean over rows.

    Raises:
        LimbeckError: temperature out of range; shapes that differ; fewer than two classes.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[2.0, 0.0, -1.0]])
        >>> round(LogitStandardization()(3 * logits + 1, logits).item(), 6)
        0.0
    """

    paper: ClassVar[str] = "Sun, Ren, Li, Wang, Cao 2024, arXiv 2403.01427"
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 9.0)

    def __init__(self, temperature: float = 2.0):
        super().__init__()
        self.temperature = temperature_in_range(temperature)

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return T² · KL between the softened distributions of the standardised logits."""
        log_s, log_t = (
            F.log_softmax(F.layer_norm(each, each.shape[-1:], eps=1e-6) / self.temperature, -1)
            for each in rows("LogitStandardization", student, teacher)
        )
        return self.temperature**2 * row_kl(log_s, log_t).mean()

    def extra_repr(self) -> str:
        """Show the temperature in ``repr``."""
        return f"temperature={self.temperature:g}"
