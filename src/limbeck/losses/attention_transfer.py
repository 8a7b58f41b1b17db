"""Paying more attention to attention (Zagoruyko & Komodakis 2016)."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from limbeck.checks import between
from limbeck.functional import full_precision, pooled_alike, spatial_attention
from limbeck.losses.base import DistillationLoss, Place, maps, same_samples
from limbeck.types import Context


class AttentionTransfer(DistillationLoss):
    """Match where the teacher is active: ‖Q_s − Q_t‖² with Q = normalise(vec(mean_c |F|^p)).

    Zagoruyko, Komodakis, "Paying More Attention to Attention: Improving the Performance of Convolutional Neural
    Networks via Attention Transfer", 2016, arXiv 1612.03928. What a network finds important in an image shows in how
    strongly its channels respond at each position; the student learns that map and not the channels themselves.

    Definition:
        For N samples, F_s (N, C_s, H_s, W_s), F_t (N, C_t, H_t, W_t), with H = min(H_s, H_t), W = min(W_s, W_t)::

            a(F)[n, h, w] = 1/C · Σ_c |F[n, c, h, w]|^p
            a(F)          is averaged to (H, W) by adaptive average pooling, if it is larger
            Q(F)[n]       = vec(a(F)[n]) / max(‖vec(a(F)[n])‖₂, 1e-12)
            L             = 1/N · Σ_n Σ_hw (Q(F_s)[n, hw] − Q(F_t)[n, hw])²

    Differs from the paper:
        Equation 2 takes the norm of the difference; the authors' code, and others since, its square.
        Their code also divides the square by H·W; here the loss lies between 0 and 2 at every size. Its usual weight,
        7, is their 1000 / (H·W), a mean over the three maps (32², 16², 8²) of their CIFAR nets. Where sizes differ the
        attention maps are pooled, as the paper proposes, and not the features as in public code, where signs cancel.

    When it helps:
        Pairs of convolutional nets of one family, at every level of resolution; it needs no adapter and adds next to
        no cost. It knows where but not what, so it is usually combined with :class:`KD`.

    Args:
        power: p from 1 to 4; higher looks at the strongest responses. The paper uses 2.

    Shape:
        student (N, C_s, H_s, W_s) and teacher (N, C_t, H_t, W_t); returns a scalar, a mean over samples.

    Raises:
        LimbeckError: power out of range; not maps; other numbers of samples.

    Example:
        >>> import torch
        >>> left, right = torch.tensor([[[[2.0, 0.0]]]]), torch.tensor([[[[0.0, 3.0]]]])
        >>> AttentionTransfer()(left, right).item()
        2.0
    """

    paper: ClassVar[str] = "Zagoruyko, Komodakis 2016, arXiv 1612.03928"
    kind = "feature"
    place: ClassVar[Place] = "every map"
    same_shape: ClassVar[bool] = False
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 7.0)

    def __init__(self, power: float = 2.0):
        super().__init__()
        self.power = between("power", power, 1, 4)

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return ‖Q_s − Q_t‖², a mean over samples."""
        maps("AttentionTransfer", student=student, teacher=teacher)
        same_samples("AttentionTransfer", student, teacher)
        known = spatial_attention(full_precision(student), self.power)
        taught = spatial_attention(full_precision(teacher.detach()), self.power)
        known, taught = pooled_alike(known, taught)
        apart = F.normalize(known.flatten(1)) - F.normalize(taught.flatten(1))
        return apart.square().sum() / student.shape[0]

    def extra_repr(self) -> str:
        """Show the power in ``repr``."""
        return f"power={self.power:g}"
