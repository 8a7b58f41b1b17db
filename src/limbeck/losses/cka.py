"""Similarity of neural network representations revisited (Kornblith et al. 2019)."""

from typing import ClassVar

import torch
from torch import Tensor

from limbeck.functional.relation import centred, gram, unit, widened
from limbeck.losses.base import DistillationLoss, Place, same_samples
from limbeck.types import Context


class CKA(DistillationLoss):
    """Align the centred Gram matrices of the batch: 1 − ⟨K_s, K_t⟩ / (‖K_s‖ ‖K_t‖), linear CKA.

    Kornblith, Norouzi, Lee, Hinton, "Similarity of Neural Network Representations Revisited", ICML 2019,
    arXiv 1905.00414. Linear centred kernel alignment measures how alike two layers of any widths see the same
    samples, blind to rotation and scale; the paper measures with it, 1 − CKA is the loss that raises it.

    Definition:
        X is (N, ·): rows, flattened, less their mean over the batch; K = X Xᵀ, for student and teacher each;
        CKA = Σ_ij K_ij(student) K_ij(teacher) / (‖K(student)‖_F ‖K(teacher)‖_F), 0 where either is zero (all rows
        equal);
        loss = 1 − CKA.

    Differs from the paper:
        There it is a score, not a loss. The estimate from one batch is biased upwards (the fewer samples and the
        wider the layers, the more), as is usual when it is a loss.

    When it helps:
        As a score of how alike two layers are, and to guide a student's embedding without a bridge between widths.
        A few directions of large variance dominate it. Usual weights: 1 and 1; the paper does not train with it.

    Shape:
        student and teacher (N, …) of any widths, N ≥ 3; returns a scalar from 0 to 1.

    Raises:
        LimbeckError: other numbers of samples; fewer than three (two centred samples always align).

    Example:
        >>> import torch
        >>> features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]])
        >>> round(CKA()(3 * features.flip(1) + 1, features).item(), 6)
        0.0
    """

    paper: ClassVar[str] = "Kornblith et al. 2019, arXiv 1905.00414"
    relates_samples: ClassVar[bool] = True
    kind = "relation"
    place: ClassVar[Place] = "embedding"
    same_shape: ClassVar[bool] = False
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 1.0)
    smallest_batch: ClassVar[int] = 3

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return 1 − CKA."""
        same_samples("CKA", student, teacher, self.smallest_batch)
        loss = 1 - torch.dot(_kernel(student), _kernel(teacher.detach()))
        return loss.to(torch.promote_types(student.dtype, torch.float32))


def _kernel(samples: Tensor) -> Tensor:
    """Return the Gram matrix of centred rows, flattened and of length one."""
    return unit(gram(centred(widened(samples), 0)).flatten(), 0)
