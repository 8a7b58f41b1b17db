"""PKD: general distillation framework for object detectors via Pearson correlation (Cao et al. 2022)."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.functional import full_precision, without_autocast
from limbeck.losses.base import DistillationLoss, Place, maps, same_shape
from limbeck.types import Context

EPS = 1e-8
"""Added to variances, so that a channel that is constant stays 0 and not 0/0."""


class PKD(DistillationLoss):
    """Match feature maps up to each channel's mean and scale: ½ MSE of standardised channels, that is 1 − Pearson's r.

    Cao, Zhang, Gao, Cheng, Cheng, Cheng, "PKD: General Distillation Framework for Object Detectors via Pearson
    Correlation Coefficient", NeurIPS 2022, arXiv 2207.02039. Magnitudes differ between networks, stages and channels,
    and a few large ones dominate a plain distance; standardising each channel leaves the pattern.

    Definition:
        For each channel c, over the M = N·H·W values F(n, c, i):
        μ_c = mean, v_c = mean of (F − μ_c)² (divided by M, not M − 1),
        Z(n, c, i) = (F(n, c, i) − μ_c) / √(v_c + 1e-8), for student and teacher each;
        loss = 1/2 · 1/(N·C·H·W) · Σ_n Σ_c Σ_i (Z_s(n, c, i) − Z_t(n, c, i))².
        Without the 1e-8 this is 1/C · Σ_c (1 − r_c), r_c the correlation of student and teacher in channel c.

    Differs from the paper:
        Its public code divides by M − 1 in the variance and adds 1e-6 to its root; ours makes the identity with 1 − r
        exact. Resizing between resolutions is left to the term's adapter.

    When it helps:
        Between networks of other families, whose magnitudes differ. Statistics are taken over the batch, so small
        batches of small maps are noisy.

    Shape:
        student and teacher (N, C, H, W), N·H·W ≥ 2; returns a scalar. ``usual_weights`` are those of the public
        code for one-stage detectors.

    Raises:
        LimbeckError: no maps; shapes that differ; a single value in each channel.

    Example:
        >>> import torch
        >>> feature = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
        >>> round(PKD()(5 + 2 * feature, feature).item(), 4), round(PKD()(-feature, feature).item(), 4)
        (0.0, 2.0)
    """

    paper: ClassVar[str] = "Cao, Zhang, Gao, Cheng, Cheng, Cheng 2022, arXiv 2207.02039"
    relates_samples: ClassVar[bool] = True
    kind: ClassVar = "feature"
    place: ClassVar[Place] = "last map"
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 10.0)

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return half the mean squared difference of standardised channels."""
        maps("PKD", student=student, teacher=teacher)
        same_shape("PKD", student, teacher)
        if student.numel() < 2 * student.shape[1]:
            raise LimbeckError(
                f"PKD standardises each channel, and maps of {tuple(student.shape)} have one value in each: name a "
                "layer before the pooling, or give more samples."
            )
        return 0.5 * F.mse_loss(_standardised(student), _standardised(teacher.detach()))


def _standardised(value: Tensor) -> Tensor:
    with without_autocast(value):
        return F.batch_norm(full_precision(value), None, None, training=True, eps=EPS)
