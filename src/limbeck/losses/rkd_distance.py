"""Relational knowledge distillation by distances (Park, Kim, Lu, Cho 2019)."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from limbeck.functional.relation import distances
from limbeck.losses.base import DistillationLoss, Place, same_samples
from limbeck.types import Context


class RKDDistance(DistillationLoss):
    """Keep the ratios of distances between samples: Huber(d_s / mean d_s − d_t / mean d_t).

    Park, Kim, Lu, Cho, "Relational Knowledge Distillation", 2019, arXiv 1904.05068. How far samples lie from one
    another is knowledge that does not depend on the width of the embedding: distances between all pairs, divided
    by their mean, are made equal to the teacher's.

    Definition:
        f_i is row i, flattened; d_ij = ‖f_i − f_j‖₂, for student and teacher each;
        μ = Σ_{i≠j} d_ij / (N (N − 1)), and d̂_ij = d_ij / μ (0 where all rows are equal);
        h(x) = x²/2 where |x| ≤ 1, else |x| − 1/2;
        loss = 1/N² · Σ_ij h(d̂_ij(student) − d̂_ij(teacher)), the diagonal included, where it is 0.
        Rows nearer to each other than about 2e-7 of their distance from the first row count as equal: d = 0, and the
        distance between them gets no gradient.

    Differs from the paper:
        The paper sums over pairs; the mean over N² is that of its authors' code, for which the weight 25 is meant.
        That code leaves pairs of equal rows out of μ (where its rounding lets it); here, as in the paper, all
        pairs of different samples count. Distances come from the Gram matrix in float64 of the rows less the first
        one, so that near rows and large common means lose nothing.

    When it helps:
        With embeddings of other widths, and in metric learning; for classification it is usually put beside KD or
        :class:`RKDAngle`. It needs batches large enough to hold relations, and two samples say nothing: their
        one distance is always the mean. Usual weights: 1 for the hard loss and 25, the paper's for CIFAR-100.

    Shape:
        student and teacher (N, …) of any widths, N ≥ 3; returns a scalar.

    Raises:
        LimbeckError: other numbers of samples; fewer than three.

    Example:
        >>> import torch
        >>> teacher = torch.tensor([[0.0], [1.0], [3.0]])
        >>> RKDDistance()(5 * teacher + 2, teacher).item()
        0.0
    """

    paper: ClassVar[str] = "Park, Kim, Lu, Cho 2019, arXiv 1904.05068"
    relates_samples: ClassVar[bool] = True
    kind = "relation"
    place: ClassVar[Place] = "embedding"
    same_shape: ClassVar[bool] = False
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 25.0)
    smallest_batch: ClassVar[int] = 3

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return the Huber distance between mean-normalised distances, a mean over all N² pairs."""
        same_samples("RKDDistance", student, teacher, self.smallest_batch)
        return F.smooth_l1_loss(_over_mean(student), _over_mean(teacher.detach()))


def _over_mean(samples: Tensor) -> Tensor:
    """Return all distances over the mean of those between different samples."""
    apart = distances(samples)
    mean = apart.sum() / (len(apart) * (len(apart) - 1))
    return apart / mean.masked_fill(mean == 0, 1.0)
