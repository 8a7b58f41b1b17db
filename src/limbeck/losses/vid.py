"""Variational information distillation for knowledge transfer (Ahn et al. 2019)."""

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from limbeck.checks import positive, whole
from limbeck.errors import LimbeckError
from limbeck.functional import full_precision
from limbeck.losses.base import DistillationLoss, Place, same_samples, same_shape
from limbeck.types import Context


class VID(DistillationLoss):
    """Raise a bound on the information shared with the teacher: mean ½[log σ² + (μ(F_s) − F_t)²/σ²], σ² learnt.

    Ahn, Hu, Damianou, Lawrence, Dai, "Variational Information Distillation for Knowledge Transfer", 2019, arXiv
    1904.05835. The student predicts the teacher's features as a Gaussian with a variance of each channel's own: it
    gives up on channels that it cannot predict and attends to those that it can. The network μ is the term's adapter.

    Definition:
        With F_s = μ(student's layer) and F_t of one shape, N samples, C channels, P positions (H·W, or L, or 1), and a
        parameter ρ[c] for each channel::

            σ²[c] = log(1 + exp(ρ[c])) + eps
            L     = 1/(N·C·P) · Σ_n Σ_c Σ_p ½ · ( log σ²[c] + (F_s[n, c, p] − F_t[n, c, p])² / σ²[c] )

        ρ starts where σ² is ``variance``. The constant ½ log 2π is left out, so L may fall below zero.

    Differs from the paper:
        Mean over elements where the paper sums, as in RepDistiller, whose weight, 1, this is. The mean network of the
        paper (two hidden layers) is whatever adapter the term has; for vectors the paper uses the same form. The
        start, 5, and eps, 1e-5, are those of the authors' code as RepDistiller has it.

    When it helps:
        Between different families and data sets, at several layers at once: the variances weigh layers and channels
        against one another. Give ρ no weight decay: it would pull σ² towards log 2.

    Args:
        teacher_channels: C.
        variance: σ² at the start, above ``eps``.
        eps: smallest σ².

    Shape:
        student and teacher of one shape: (N, C, H, W) maps, (N, L, C) tokens or (N, C) vectors; returns a scalar.

    Raises:
        LimbeckError: a setting out of range; shapes that differ; other channels than told.

    Example:
        >>> import torch
        >>> loss = VID(teacher_channels=3, variance=1.0)
        >>> round(loss(torch.full((2, 3, 4, 4), 2.0), torch.zeros(2, 3, 4, 4)).item(), 4)
        2.0
    """

    paper: ClassVar[str] = "Ahn et al. 2019, arXiv 1904.05835"
    kind = "feature"
    place: ClassVar[Place] = "every map"
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 1.0)

    def __init__(self, teacher_channels: int, variance: float = 5.0, eps: float = 1e-5):
        super().__init__()
        self.teacher_channels = whole("teacher_channels", teacher_channels)
        self.eps = positive("eps", eps)
        self.start = positive("variance", variance)
        if self.start <= self.eps:
            raise LimbeckError(
                f"variance must be above eps, {eps:g}, not {variance:g}: 5 is the usual start."
            )
        spread = self.start - self.eps
        self.rho = nn.Parameter(torch.full((teacher_channels,), spread + math.log(-math.expm1(-spread))))

    @property
    def variance(self) -> Tensor:
        """σ² of each channel, (C,)."""
        return F.softplus(self.rho) + self.eps

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return the negative log-likelihood of the teacher's features, a mean over elements."""
        same_samples("VID", student, teacher)
        same_shape("VID", student, teacher)
        axis = self._channel_axis(teacher)
        apart = (full_precision(student) - full_precision(teacher.detach())).movedim(axis, 1)
        squares = torch.linalg.vector_norm(apart.reshape(*apart.shape[:2], -1), dim=2).square().sum(0)
        variance = self.variance.to(squares.dtype)
        positions = apart.numel() / self.teacher_channels
        surprise: Tensor = 0.5 * (variance.log() + squares / positions / variance)
        return surprise.mean()

    def _channel_axis(self, features: Tensor) -> int:
        """Return where the channels are: last in vectors and tokens, second in maps."""
        axis = 1 if features.dim() == 4 else features.dim() - 1
        if not 2 <= features.dim() <= 4 or features.shape[axis] != self.teacher_channels:
            raise LimbeckError(
                f"VID was made for {self.teacher_channels} channels of the teacher, but gets "
                f"{tuple(features.shape)}: make it with teacher_channels of the layer that it compares."
            )
        return axis

    def extra_repr(self) -> str:
        """Show the settings in ``repr``."""
        return f"teacher_channels={self.teacher_channels}, variance={self.start:g}, eps={self.eps:g}"
