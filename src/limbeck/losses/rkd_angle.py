"""Relational knowledge distillation by angles (Park, Kim, Lu, Cho 2019)."""

from typing import ClassVar

import torch
from torch import Tensor

from limbeck.functional.angle import angle_huber
from limbeck.functional.relation import squared_distances
from limbeck.losses.base import DistillationLoss, Place, same_samples
from limbeck.types import Context


class RKDAngle(DistillationLoss):
    """Keep the angles that samples form, three by three: Huber between their cosines.

    Park, Kim, Lu, Cho, "Relational Knowledge Distillation", 2019, arXiv 1904.05068. The angle at one sample between
    two others is knowledge of a higher order than distances, and is blind to scale, shift and rotation of the
    embedding; cosines of all triplets are made equal to the teacher's.

    Definition:
        f_i is row i, flattened; e_ij = (f_i − f_j) / ‖f_i − f_j‖₂, the zero vector where i = j or the rows are equal;
        c_ijk = ⟨e_ij, e_kj⟩, the cosine at j, for student and teacher each;
        h(x) = x²/2 where |x| ≤ 1, else |x| − 1/2;
        loss = 1/N³ · Σ_ijk h(c_ijk(student) − c_ijk(teacher)), over all triplets, those with equal members included.
        Rows nearer to each other than about 2e-7 of their distance from the first row count as equal.

    Differs from the paper:
        The paper sums over triplets of different samples; the mean over N³ is that of its authors' code, for which
        the weight 50 is meant. Value and gradient are those of the formula, but neither the N×N×D differences
        nor the N×N×N cosines are ever held: cosines follow from squared distances, in float64, anchor by
        anchor, and the gradient is gathered on the way. It cannot be differentiated twice.

    When it helps:
        With embeddings of other widths, beside :class:`RKDDistance` (the paper's RKD-DA) or KD. Its cost grows with
        N³, whatever the width. Usual weights: 1 for the hard loss and 50, the paper's for CIFAR-100.

    Shape:
        student and teacher (N, …) of any widths, N ≥ 3; returns a scalar.

    Raises:
        LimbeckError: other numbers of samples; fewer than three.

    Example:
        >>> import torch
        >>> teacher = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> RKDAngle()(2 * teacher, teacher).item()
        0.0
    """

    paper: ClassVar[str] = "Park, Kim, Lu, Cho 2019, arXiv 1904.05068"
    relates_samples: ClassVar[bool] = True
    kind = "relation"
    place: ClassVar[Place] = "embedding"
    same_shape: ClassVar[bool] = False
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 50.0)
    smallest_batch: ClassVar[int] = 3

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return the Huber distance between the cosines of all angles, a mean over all N³ triplets."""
        same_samples("RKDAngle", student, teacher, self.smallest_batch)
        loss = angle_huber(squared_distances(student), squared_distances(teacher.detach()))
        return loss.to(torch.promote_types(student.dtype, torch.float32))
