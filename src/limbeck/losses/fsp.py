"""A gift from knowledge distillation: the flow of the solution procedure (Yim et al. 2017)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.functional import flow_gap, full_precision, pooled_alike
from limbeck.losses.base import DistillationLoss, Place, maps, same_layers, same_samples
from limbeck.types import Context


class FSP(DistillationLoss):
    """Match how features flow from layer to layer: mean (G_s − G_t)² with G = F_aᵀF_b / (h·w).

    Yim, Joo, Bae, Kim, "A Gift from Knowledge Distillation: Fast Optimization, Network Minimization and Transfer
    Learning", CVPR 2017. The inner products between the channels of two layers tell how the network gets from one
    to the other, the way a problem is solved rather than its intermediate results.

    Definition:
        For layers 1 … K of N samples, and each pair of consecutive ones (a, b) = (k, k + 1), F_a (N, A, H_a, W_a) and
        F_b (N, B, H_b, W_b) are brought to h = min(H_a, H_b), w = min(W_a, W_b) by adaptive max pooling where they are
        larger, student and teacher each by itself::

            G_ab[n, i, j] = 1/(h·w) · Σ_hw F_a[n, i, hw] · F_b[n, j, hw]
            L             = Σ_ab 1/(N·A·B) · Σ_n Σ_ij (G_ab of student[n, i, j] − G_ab of teacher[n, i, j])²

    Differs from the paper:
        The paper sums the squares over the elements of G; here they are averaged, as in RepDistiller, so that the
        weight does not depend on widths. The paper minimises this alone in a first stage and then trains on labels;
        the usual weights are for both at once, with the 50 of RepDistiller's scripts, which pools by the mean where
        the paper, and we, take the maximum.

    When it helps:
        A student of the teacher's family and widths, such as a shallower ResNet, and fast starts: the paper reaches
        the same accuracy in a third of the steps. Elsewhere each layer needs an adapter to the teacher's width.

    Shape:
        student and teacher tuples of (N, C_k, H, W) for the layers in order, two or more; the channels of the k-th
        layer agree, the sizes need not. Returns a scalar, a mean over samples and a sum over pairs.

    Raises:
        LimbeckError: fewer than two layers, or not as many of both; not maps; other channels or numbers of samples.

    Example:
        >>> import torch
        >>> first, last = torch.ones(1, 2, 4, 4), torch.full((1, 3, 2, 2), 2.0)
        >>> round(FSP()((first, last), (first, 2 * last)).item(), 4)
        4.0
    """

    paper: ClassVar[str] = "Yim, Joo, Bae, Kim 2017, CVPR, pages 7130-7138"
    kind = "feature"
    place: ClassVar[Place] = "every map"
    several: ClassVar[bool] = True
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 50.0)

    def forward(
        self, student: Sequence[Tensor], teacher: Sequence[Tensor], context: Context | None = None
    ) -> Tensor:
        """Return the mean squared difference of flow matrices, a sum over pairs of layers."""
        same_layers("FSP", student, teacher, least=2)
        for known, taught in zip(student, teacher, strict=True):
            maps("FSP", student=known, teacher=taught)
            same_samples("FSP", known, taught)
            _same_channels(known, taught)
        flows = zip(pairwise(student), pairwise(teacher), strict=True)
        return torch.stack([_apart(known, taught) for known, taught in flows]).sum()


def _apart(student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor]) -> Tensor:
    with torch.no_grad():
        known = _positions(*teacher)
    return flow_gap(*_positions(*student), *known)


def _positions(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return both layers as (N, C, h·w) at the smaller size of the two."""
    a, b = pooled_alike(full_precision(first), full_precision(second), largest=True)
    return a.flatten(2), b.flatten(2)


def _same_channels(student: Tensor, teacher: Tensor) -> None:
    if student.shape[1] != teacher.shape[1]:
        raise LimbeckError(
            f"FSP compares layers of the same channels, but the student gives {tuple(student.shape)} where the "
            f"teacher gives {tuple(teacher.shape)}: name other layers, or give an adapter to the term."
        )
