"""On-policy distillation of language models: learning from self-generated mistakes (Agarwal et al. 2024)."""

from typing import ClassVar

from torch import Tensor

from limbeck.checks import between, temperature_in_range
from limbeck.functional.divergence import row_kl
from limbeck.functional.log_space import log_mixture, log_softened
from limbeck.losses.base import DistillationLoss
from limbeck.losses.rows import rows
from limbeck.types import Context


class JSD(DistillationLoss):
    """Meet the teacher at a mixture of both: T² · [β KL(p_t ‖ m) + (1 − β) KL(p_s ‖ m)], m = β p_t + (1 − β) p_s.

    Agarwal, Vieillard, Zhou, Stanczyk, Ramos, Geist, Bachem, "On-Policy Distillation of Language Models: Learning from
    Self-Generated Mistakes" (GKD), ICLR 2024, arXiv 2306.13649. The generalised Jensen–Shannon divergence is bounded
    and goes from covering all that the teacher says (small β) to seeking what it says most (large β).

    Definition:
        With p = softmax(z / T), β = ``mixture``, m = β p_t + (1 − β) p_s, KL(p ‖ q) = Σ over classes of
        p (log p − log q)::

            0 < β < 1: loss = T² · mean over rows of [ β KL(p_t ‖ m) + (1 − β) KL(p_s ‖ m) ]
            β = 0:     loss = T² · mean over rows of KL(p_t ‖ p_s)
            β = 1:     loss = T² · mean over rows of KL(p_s ‖ p_t)

        The gradient passes through p_s wherever it stands, in m too. The ends are the limits of the first line after
        division by β (1 − β): the line itself tends to zero there, and so do its gradients, in proportion.

    Differs from the paper:
        The ends, which the paper leaves to their limits, are defined as public code (TRL) defines them. The paper
        divides the logits of both by a temperature in some tasks; T², which keeps the gradient's size, is ours.

    When it helps:
        Language models, where a plain KL in either direction fails on some task; β is worth a search over 0.1, 0.5 and
        0.9. The loss shrinks with β (1 − β): near the ends raise its weight.

    Args:
        mixture: β from 0 to 1, the teacher's share in the mixture; ½ is symmetric.
        temperature: T > 0; 1 in most of the paper.

    Shape:
        student and teacher (N, C) or (N, L, C) logits; returns a scalar, a mean over rows.

    Raises:
        LimbeckError: settings out of range; shapes that differ; fewer than two classes.

    Example:
        >>> import torch
        >>> right, wrong = torch.tensor([[1e3, 0.0]]), torch.tensor([[0.0, 1e3]])
        >>> round(JSD()(wrong, right).item(), 4)  # log 2, its largest value
        0.6931
    """

    paper: ClassVar[str] = "Agarwal, Vieillard, Zhou, Stanczyk, Ramos, Geist, Bachem 2024, arXiv 2306.13649"
    usual_weights: ClassVar[tuple[float, float]] = (0.0, 1.0)  # GKD is trained on the divergence alone

    def __init__(self, mixture: float = 0.5, temperature: float = 1.0):
        super().__init__()
        self.mixture = between("mixture", mixture, 0.0, 1.0)
        self.temperature = temperature_in_range(temperature)

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return T² · the generalised Jensen–Shannon divergence."""
        log_s, log_t = (log_softened(each, self.temperature) for each in rows("JSD", student, teacher))
        return self.temperature**2 * self._divergence(log_s, log_t).mean()

    def _divergence(self, log_s: Tensor, log_t: Tensor) -> Tensor:
        if self.mixture == 0:
            return row_kl(log_s, log_t)
        if self.mixture == 1:
            return row_kl(log_t, log_s)
        log_m = log_mixture(log_t, log_s, self.mixture)
        return self.mixture * row_kl(log_m, log_t) + (1 - self.mixture) * row_kl(log_m, log_s)

    def extra_repr(self) -> str:
        """Show the settings in ``repr``."""
        return f"mixture={self.mixture:g}, temperature={self.temperature:g}"
