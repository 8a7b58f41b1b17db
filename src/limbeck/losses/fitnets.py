"""FitNets: hints for thin deep nets (Romero et al. 2014)."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from limbeck.functional import full_precision
from limbeck.losses.base import DistillationLoss, Place, same_samples, same_shape
from limbeck.types import Context


class FitNets(DistillationLoss):
    """Regress a hint, the teacher's middle layer, from the student's guided layer: mean (r(F_s) − F_t)².

    Romero, Ballas, Kahou, Chassang, Gatta, Bengio, "FitNets: Hints for Thin Deep Nets", 2014, arXiv 1412.6550.
    A thin, deep student is hard to train from its outputs alone; a hint halfway gives its lower half something to
    aim at. The regressor r that brings the guided layer to the hint's width is the term's adapter.

    Definition:
        With F_s = r(guided layer) and F_t of one shape, N samples of D elements each::

            L = 1/(N·D) · Σ_n Σ_d (F_s[n, d] − F_t[n, d])²

    Differs from the paper:
        The paper sums ½ (F_s − F_t)² over the elements of a map. Here it is a mean over elements and without the ½,
        as in RepDistiller, so that the weight does not depend on the size of the map. The paper trains up to the
        guided layer in a first stage and distils the whole student in a second, and so do recipes, with 0.3 of the
        epochs for the first; the weights, 1 and 100, are RepDistiller's for both at once (``first_stage`` 0).

    When it helps:
        Deep students that train badly by themselves. An exact match of activations is a strong demand: where the
        student is much smaller, a loss on what maps have in common (attention, correlations) may serve better.

    Shape:
        student and teacher of one shape: (N, C, H, W) maps, (N, L, D) tokens or (N, C) vectors; returns a scalar.

    Raises:
        LimbeckError: shapes that differ.

    Example:
        >>> import torch
        >>> FitNets()(torch.full((2, 3, 4, 4), 2.0), torch.zeros(2, 3, 4, 4)).item()
        4.0
    """

    paper: ClassVar[str] = "Romero et al. 2014, arXiv 1412.6550"
    kind = "feature"
    place: ClassVar[Place] = "middle map"
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 100.0)
    first_stage: ClassVar[float] = 0.3

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return the mean squared difference."""
        same_samples("FitNets", student, teacher)
        same_shape("FitNets", student, teacher)
        return F.mse_loss(full_precision(student), full_precision(teacher.detach()))
