"""AlphaNet: improved training of supernets with alpha-divergence (Wang et al. 2021)."""

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from limbeck.checks import between, positive
from limbeck.errors import LimbeckError
from limbeck.functional.divergence import row_kl
from limbeck.functional.log_space import log_softened
from limbeck.losses.base import DistillationLoss
from limbeck.losses.rows import rows
from limbeck.types import Context


class AlphaDivergence(DistillationLoss):
    """Lower whichever α-divergence is larger, α = −1 or α = 1: max over α of D_α(p_t ‖ p_s), for each sample.

    Wang, Gong, Li, Liu, Chandra, "AlphaNet: Improved Training of Supernets with Alpha-Divergence", ICML 2021,
    arXiv 2102.07954. KL(p_t ‖ p_s) punishes a student that rules out what the teacher allows and hardly one that is
    less certain than the teacher; α = −1 does the reverse, and the larger of the two leaves neither fault unseen.

    Definition:
        For each row, with p = softmax(z), t = p_t / p_s for each class, β = ``clip``, sg = no gradient::

            D_α = Σ over classes of p_s · (min(t^α, β) − 1) / (α (α − 1))        for α other than 1
            ρ_α = min(t^α, β) / α + 1 / (α (α − 1))
            D_1 = Σ over classes of p_t · log t  =  KL(p_t ‖ p_s)                 not clipped
            ρ_1 = t

            α*       = the α of ``orders`` whose D_α is largest (the first of equals)
            value    = mean over rows of D_α*
            gradient = that of the mean over rows of  −Σ over classes of sg(p_s · ρ_α*) · log p_s

        Without the clip that gradient is D_α's own; with it, D_α's as if the bound were not there for the
        derivative: it stays bounded and does not vanish where the bound is met. The term 1/(α (α − 1)) of ρ adds
        nothing to the gradient and is not computed.

    Differs from the paper:
        The paper and its public code return the surrogate, whose value means nothing; here the value is the
        divergence and only the gradient is the surrogate's. Any list of orders but 0 may be given.

    When it helps:
        Students that stay less certain than the teacher, as small ones do, and the subnets of a supernet, for which it
        was made. There is no temperature: where the teacher is all but certain, the wrong classes teach little.

    Args:
        orders: the values of α, at least one, none of them 0; (−1, 1) in the paper.
        clip: β > 0, the bound on t^α for every order but 1; 5 in the paper; ``None`` for no bound.

    Shape:
        student and teacher (N, C) or (N, L, C) logits; returns a scalar, a mean over rows.

    Raises:
        LimbeckError: no orders, an order of 0, a clip not above 0; shapes that differ; fewer than two classes.

    Example:
        >>> import torch
        >>> sure, unsure = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 0.0]])
        >>> [round(AlphaDivergence(orders)(unsure, sure).item(), 2) for orders in ([1.0], [-1.0], [-1.0, 1.0])]
        [0.5, 0.88, 0.88]
        >>> [round(AlphaDivergence(orders)(sure, unsure).item(), 2) for orders in ([1.0], [-1.0], [-1.0, 1.0])]
        [0.86, 0.41, 0.86]
    """

    paper: ClassVar[str] = "Wang, Gong, Li, Liu, Chandra 2021, arXiv 2102.07954"
    usual_weights: ClassVar[tuple[float, float]] = (
        0.0,
        1.0,
    )  # AlphaNet's subnets learn from the largest one alone

    def __init__(self, orders: Sequence[float] = (-1.0, 1.0), clip: float | None = 5.0):
        super().__init__()
        if not isinstance(orders, Sequence) or not orders:
            raise LimbeckError(f"orders must list at least one α, as (-1.0, 1.0) does, not {orders!r}.")
        self.orders = tuple(between("each of orders", order, -math.inf, math.inf) for order in orders)
        if 0.0 in self.orders:
            raise LimbeckError("orders may not hold 0: D_0 is KL(p_s ‖ p_t), which JSD(mixture=1) is.")
        self.clip = None if clip is None else positive("clip", clip)

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return the mean of the rows' largest divergences, with the surrogate's gradient."""
        log_s, log_t = (log_softened(each) for each in rows("AlphaDivergence", student, teacher))
        both = [self._divergence(order, log_s, log_t) for order in self.orders]
        values, largest = torch.stack([value for value, _ in both]).max(0)
        surrogates = torch.stack([surrogate for _, surrogate in both]).gather(0, largest[None])
        return values.mean() + (surrogates - surrogates.detach()).mean()

    def _divergence(self, order: float, log_s: Tensor, log_t: Tensor) -> tuple[Tensor, Tensor]:
        """Return each row's D_α, without gradient, and what has its gradient."""
        known = log_s.detach()
        if order == 1:
            return row_kl(known, log_t), -(log_t.exp() * log_s).sum(-1)
        exponent = order * (log_t - known)
        if self.clip is not None:
            exponent = exponent.clamp_max(math.log(self.clip))
        weighted = (known + exponent).exp()  # p_s · t^α in one exponential: p_s alone underflows
        value = (weighted - known.exp()).sum(-1) / (order * (order - 1))
        return value, -(weighted * log_s).sum(-1) / order

    def extra_repr(self) -> str:
        """Show the settings in ``repr``."""
        return f"orders={self.orders}, clip={self.clip}"
