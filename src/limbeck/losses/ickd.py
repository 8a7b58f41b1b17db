"""Exploring inter-channel correlation for diversity-preserved knowledge distillation (Liu et al. 2021)."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from limbeck.functional.precision import full_precision
from limbeck.functional.relation import gram, unit
from limbeck.losses.base import DistillationLoss, Place, maps, same_shape
from limbeck.types import Context


class ICKD(DistillationLoss):
    """Keep how channels correlate within each image: ‖G_s/row norm − G_t/row norm‖²_F / C, G the channels' Gram matrix.

    Liu, Huang, Lin, Xie, Wang, Chang, Liang, "Exploring Inter-Channel Correlation for Diversity-Preserved Knowledge
    Distillation", ICCV 2021, arXiv 2202.03680. Which channels say the same and which say something else is how a
    network spreads its knowledge over its features; the C×C matrix of inner products of a sample's
    channels is made equal to the teacher's. (This is the paper's image-level ICKD-C.)

    Definition:
        F is (C, H·W): a sample's map, flattened over space; G = F Fᵀ (C×C), for student and teacher each;
        Ĝ_ij = G_ij / ‖G_i‖₂ (a row of zeros stays zero);
        loss = 1/N · Σ_n 1/C · Σ_ij (Ĝ_ij(student n) − Ĝ_ij(teacher n))².

    Differs from the paper:
        The paper divides by C² and does not mention the scaling of rows; both are as in its authors' code, for
        which the weight 2.5 is meant. The 1×1 convolution that brings the student to the teacher's channels is the
        term's adapter (theirs adds a batch norm). torchdistill 1.1.5, after the authors' ImageNet code, divides by
        N² · C.

    When it helps:
        On last maps of convolutional networks with many channels. Cost and memory grow with N·C². Usual
        weights: 1 for the hard loss and 2.5, that of the authors' code for CIFAR-100.

    Shape:
        student and teacher (N, C, H, W) of one shape; returns a scalar, a mean over samples.

    Raises:
        LimbeckError: no maps; shapes that differ.

    Example:
        >>> import torch
        >>> maps = torch.arange(8.0).reshape(1, 2, 2, 2)
        >>> ICKD()(3 * maps, maps).item()
        0.0
    """

    paper: ClassVar[str] = "Liu et al. 2021, arXiv 2202.03680"
    kind = "relation"
    place: ClassVar[Place] = "last map"
    same_shape: ClassVar[bool] = True
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 2.5)

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return the squared difference of the channels' row-normalised Gram matrices over C, a mean over samples."""
        maps("ICKD", student=student, teacher=teacher)
        same_shape("ICKD", student, teacher)
        return F.mse_loss(_correlations(student), _correlations(teacher.detach())) * student.shape[1]


def _correlations(features: Tensor) -> Tensor:
    """Return (N, C, C) inner products of channels, each row of length one."""
    return unit(gram(full_precision(features).flatten(2)))
