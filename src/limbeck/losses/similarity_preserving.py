"""Similarity-preserving knowledge distillation (Tung, Mori 2019)."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from limbeck.functional.relation import flattened, gram, unit
from limbeck.losses.base import DistillationLoss, Place, same_samples
from limbeck.types import Context


class SimilarityPreserving(DistillationLoss):
    """Keep which samples look alike: ‖G_s/row norm − G_t/row norm‖²_F / N², G the batch's Gram matrix.

    Tung, Mori, "Similarity-Preserving Knowledge Distillation", 2019, arXiv 1907.09682. Samples that excite the
    teacher alike should excite the student alike; rows of the N×N matrix of inner products, each scaled to
    length one, are made equal.

    Definition:
        A is (N, ·): each sample's map, flattened; G = A Aᵀ, for student and teacher each;
        Ĝ_ij = G_ij / ‖G_i‖₂ (a row of zeros stays zero);
        loss = 1/N² · Σ_ij (Ĝ_ij(student) − Ĝ_ij(teacher))².

    Differs from the paper:
        Nothing. (torchdistill 1.1.5 divides rows by their L1 norm, which makes all entries N times smaller or so;
        its values are not comparable.)

    When it helps:
        With maps of other widths and sizes, since only inner products are compared. The weight is large because
        entries of unit rows are small; large maps of positive activations make all samples alike and leave little
        to teach. Usual weights: 1 for the hard loss and 3000, the paper's for CIFAR-10.

    Shape:
        student and teacher (N, …) of any widths and sizes, N ≥ 2; returns a scalar.

    Raises:
        LimbeckError: other numbers of samples; fewer than two.

    Example:
        >>> import torch
        >>> maps = torch.arange(8.0).reshape(2, 1, 2, 2)
        >>> SimilarityPreserving()(3 * maps, maps).item()
        0.0
    """

    paper: ClassVar[str] = "Tung, Mori 2019, arXiv 1907.09682"
    relates_samples: ClassVar[bool] = True
    kind = "relation"
    place: ClassVar[Place] = "last map"
    same_shape: ClassVar[bool] = False
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 3000.0)
    smallest_batch: ClassVar[int] = 2

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return the mean squared difference of the row-normalised Gram matrices."""
        same_samples("SimilarityPreserving", student, teacher, self.smallest_batch)
        return F.mse_loss(unit(gram(flattened(student))), unit(gram(flattened(teacher.detach()))))
