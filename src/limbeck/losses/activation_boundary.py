"""Knowledge transfer via distillation of activation boundaries formed by hidden neurons (Heo et al. 2018)."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from limbeck.checks import positive
from limbeck.functional import full_precision
from limbeck.losses.base import DistillationLoss, Place, same_samples, same_shape
from limbeck.types import Context


class ActivationBoundary(DistillationLoss):
    """Match which neurons fire: a squared hinge on the sign of the teacher's pre-activations.

    Heo, Lee, Yun, Choi, "Knowledge Transfer via Distillation of Activation Boundaries Formed by Hidden Neurons", 2018,
    arXiv 1811.03233. Whether a neuron is on or off draws the network's decision boundary, and matters more than how
    strongly it fires; so the student must be on the teacher's side of zero, by a margin, and nothing else.

    Definition:
        With student s and teacher t of one shape, before their ReLU, N samples of D elements each, margin μ::

            L = 1/(N·D) · Σ_n Σ_d  max(0, μ − s[n, d])²   where t[n, d] > 0
                                   max(0, μ + s[n, d])²   elsewhere

    Differs from the paper:
        Mean over elements where the paper sums, so that the weight does not depend on the size of the map. The
        authors' code weighs a sum over elements by 3/1000, halved with each level below the last; for its networks
        that comes to 49 for our mean at every level, hence the usual 50, for labels and this at once
        (``first_stage`` 0). They minimise it alone, as a first stage, and then train with :class:`KD`; so do recipes,
        with 0.11 of the epochs for the first, RepDistiller's 30 of 270.

    When it helps:
        As a start for a student with little data or few epochs. A teacher's map after its ReLU serves as well, since
        it is above zero where the neuron fires; the student's must be free to fall below zero, that is, tapped
        before its ReLU or brought to the teacher's width by an adapter that ends without one.

    Args:
        margin: μ > 0, how far on the right side of zero the student must be; 1 in the paper.

    Shape:
        student and teacher of one shape: (N, C, H, W) maps, (N, L, D) tokens or (N, C) vectors; returns a scalar.

    Raises:
        LimbeckError: margin out of range; shapes that differ.

    Example:
        >>> import torch
        >>> ActivationBoundary()(torch.tensor([[3.0, 0.0]]), torch.tensor([[0.1, 5.0]])).item()
        0.5
    """

    paper: ClassVar[str] = "Heo, Lee, Yun, Choi 2018, arXiv 1811.03233"
    kind = "feature"
    place: ClassVar[Place] = "every map"
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 50.0)
    first_stage: ClassVar[float] = 0.11

    def __init__(self, margin: float = 1.0):
        super().__init__()
        self.margin = positive("margin", margin)

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return the squared hinge, a mean over elements."""
        same_samples("ActivationBoundary", student, teacher)
        same_shape("ActivationBoundary", student, teacher)
        known = full_precision(student)
        with (
            torch.no_grad()
        ):  # the nearest value that is far enough on the teacher's side: a hinge is a regression to it
            target = torch.where(teacher > 0, known.clamp(min=self.margin), known.clamp(max=-self.margin))
        return F.mse_loss(known, target)

    def extra_repr(self) -> str:
        """Show the margin in ``repr``."""
        return f"margin={self.margin:g}"
