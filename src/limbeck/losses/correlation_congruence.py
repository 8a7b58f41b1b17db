"""Correlation congruence for knowledge distillation (Peng et al. 2019)."""

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from limbeck.checks import positive, whole
from limbeck.functional.relation import cosines, flattened
from limbeck.losses.base import DistillationLoss, Place, same_samples
from limbeck.types import Context


class CorrelationCongruence(DistillationLoss):
    """Keep how samples correlate under an RBF kernel: mean squared difference of the two N×N kernel matrices.

    Peng, Jin, Liu, Zhou, Wu, Liu, Li, Zhang, "Correlation Congruence for Knowledge Distillation", 2019,
    arXiv 1904.01802. Besides each sample's own output, the correlation between samples is taught; a Gaussian
    kernel, expanded in a Taylor series, catches more than the plain inner product.

    Definition:
        f_i is row i, flattened; u_i = f_i / ‖f_i‖₂ (a row of zeros stays zero); c_ij = ⟨u_i, u_j⟩;
        K_ij = exp(−2γ) · Σ_{p=0..P} (2γ)^p / p! · c_ij^p for ``order`` P, or exp(−2γ (1 − c_ij)), its limit, which is
        exp(−γ ‖u_i − u_j‖²) for rows that are not zero, when ``order`` is None;
        loss = 1/N² · Σ_ij (K_ij(student) − K_ij(teacher))².

    Differs from the paper:
        The paper puts a linear layer of one width behind both embeddings; here rows of any widths are compared as
        they are (such a layer would be an adapter). Rows are normalised inside, as the expansion
        presupposes. torchdistill 1.1.5 leaves that to the model, and takes the norm of the difference instead of its
        square.

    When it helps:
        Beside KD, with embeddings of other widths. Values are small, since kernels of unit rows differ little. Usual
        weights: 1 for the hard loss and 100, that of the Knowledge-Distillation-Zoo for this same mean of squares.

    Args:
        gamma: γ > 0 of the kernel; the paper's 0.4.
        order: P ≥ 1 of the Taylor series; the paper's 2. None for the exact kernel.

    Shape:
        student and teacher (N, …) of any widths, N ≥ 2; returns a scalar.

    Raises:
        LimbeckError: settings out of range; other numbers of samples; fewer than two.

    Example:
        >>> import torch
        >>> embedding = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> CorrelationCongruence(order=None)(2 * embedding, embedding).item()
        0.0
    """

    paper: ClassVar[str] = "Peng et al. 2019, arXiv 1904.01802"
    relates_samples: ClassVar[bool] = True
    kind = "relation"
    place: ClassVar[Place] = "embedding"
    same_shape: ClassVar[bool] = False
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 100.0)
    smallest_batch: ClassVar[int] = 2

    def __init__(self, gamma: float = 0.4, order: int | None = 2):
        super().__init__()
        self.gamma = positive("gamma", gamma)
        self.order = None if order is None else whole("order", order)

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return the mean squared difference of the kernel matrices."""
        same_samples("CorrelationCongruence", student, teacher, self.smallest_batch)
        return F.mse_loss(self._kernel(student), self._kernel(teacher.detach()))

    def extra_repr(self) -> str:
        """Show the kernel in ``repr``."""
        return f"gamma={self.gamma:g}, order={self.order}"

    def _kernel(self, samples: Tensor) -> Tensor:
        cosine = cosines(flattened(samples))
        if self.order is None:
            return torch.exp(2 * self.gamma * (cosine - 1))
        scale = math.exp(-2 * self.gamma)
        terms = [scale * (2 * self.gamma) ** power / math.factorial(power) for power in range(self.order + 1)]
        total = terms[-1] * cosine
        for term in terms[-2:0:-1]:  # Horner
            total = (total + term) * cosine
        return total + terms[0]
