"""Like what you like: neuron selectivity transfer (Huang & Wang 2017)."""

from typing import ClassVar

from torch import Tensor

from limbeck.functional import full_precision, pooled_alike, squared_kernel_mmd
from limbeck.losses.base import DistillationLoss, Place, maps, same_samples
from limbeck.types import Context

_EPS = 1e-6  # a channel weaker than this selects nothing; without it noise in a dead channel would rule the gradient


class NST(DistillationLoss):
    """Match the distribution of the teacher's channels: MMD² between channel maps, with k(x, y) = (x·y)².

    Huang, Wang, "Like What You Like: Knowledge Distill via Neuron Selectivity Transfer", 2017, arXiv 1707.01219.
    Each channel is a neuron and its map says what regions it is selective for. The maximum mean discrepancy compares
    the set of the student's maps with the set of the teacher's, so that no channel needs a partner.

    Definition:
        For N samples, F_s (N, C_s, H_s, W_s), F_t (N, C_t, H_t, W_t), both averaged to (min H, min W) by adaptive
        average pooling where they are larger, x[n, c] = vec(F[n, c]) / max(‖vec(F[n, c])‖₂, 1e-6)::

            L = 1/N · Σ_n [   1/C_s²      · Σ_c Σ_c' (x_s[n, c] · x_s[n, c'])²
                            + 1/C_t²      · Σ_c Σ_c' (x_t[n, c] · x_t[n, c'])²
                            − 2/(C_s·C_t) · Σ_c Σ_c' (x_s[n, c] · x_t[n, c'])² ]

        It is computed as Σ_n ‖X_sᵀX_s/C_s − X_tᵀX_t/C_t‖²_F / N, which is the same sum in another order, holds one
        (H·W, H·W) matrix a sample and cannot fall below zero; or through (C, C) matrices where those are smaller.

    Differs from the paper:
        No factor ½ beside the weight, as in RepDistiller, whose weight (50) this is. The floor of the norm is 1e-6
        and not 1e-12. Only the polynomial kernel of degree two without a constant, the paper's best, is here.

    When it helps:
        Convolutional pairs of any widths; with the squared kernel it compares which positions are active together,
        which makes it a finer :class:`AttentionTransfer`. Blind to the sign and the strength of channels.

    Shape:
        student (N, C_s, H_s, W_s) and teacher (N, C_t, H_t, W_t); returns a scalar, a mean over samples.

    Raises:
        LimbeckError: not maps; other numbers of samples.

    Example:
        >>> import torch
        >>> left, right = torch.tensor([[[[2.0, 0.0]]]]), torch.tensor([[[[0.0, 3.0]]]])
        >>> NST()(left, right).item()
        2.0
    """

    paper: ClassVar[str] = "Huang, Wang 2017, arXiv 1707.01219"
    kind = "feature"
    place: ClassVar[Place] = "every map"
    same_shape: ClassVar[bool] = False
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 50.0)

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return MMD², a mean over samples."""
        maps("NST", student=student, teacher=teacher)
        same_samples("NST", student, teacher)
        known, taught = pooled_alike(full_precision(student), full_precision(teacher.detach()))
        return squared_kernel_mmd(known.flatten(2), taught.flatten(2), _EPS) / student.shape[0]
