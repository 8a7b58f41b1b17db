"""VkD: improving knowledge distillation using orthogonal projections (Miles, Elezi, Deng 2024)."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.functional import full_precision, without_autocast
from limbeck.losses.base import DistillationLoss, Place, same_shape
from limbeck.types import Context

EPS = 1e-5
"""Added to variances, as layer normalisation does."""


class VkD(DistillationLoss):
    """Regress the teacher's normalised feature from an orthogonal projection of the student's: MSE(F_s P, norm(F_t)).

    Miles, Elezi, Deng, "VkD: Improving Knowledge Distillation using Orthogonal Projections", CVPR 2024, arXiv
    2403.06213. A free projection can learn the teacher's feature in the student's place; one whose columns stay
    orthonormal keeps the geometry of the student's feature, so that the student itself has to learn. Normalising the
    teacher, but not the student, removes its scale.

    Definition:
        For each sample (each token, each position), over its D features F_t(1) … F_t(D):
        μ = mean, v = mean of (F_t − μ)², Z(d) = (F_t(d) − μ) / √(v + 1e-5);
        loss = mean over all samples, tokens or positions, and features of (F_s(d) − Z(d))².
        F_s has been projected already: the term's adapter is :class:`limbeck.adapters.Orthogonal`.

    Differs from the paper:
        The L2 distance of the paper's text; its authors' code takes the smooth L1 distance, which is half of it
        for errors below 1 and linear above. The standardisation is the paper's for discriminative tasks; whitening,
        which it uses for image generation, is not offered.

    When it helps:
        On embeddings, above all from CNN to ViT and to students that are much narrower. It needs the orthogonal
        adapter: with a free projection it is FitNets with a normalised target.

    Shape:
        student and teacher (N, D), tokens (N, L, D) or maps (N, D, H, W), D ≥ 2; returns a scalar.
        ``usual_weights``: the authors' code weighs the smooth L1 distance 1.

    Raises:
        LimbeckError: shapes that differ; fewer than two features.

    Example:
        >>> import torch
        >>> teacher = torch.tensor([[1.0, 3.0], [9.0, 5.0]])
        >>> round(VkD()(torch.tensor([[-1.0, 1.0], [1.0, -1.0]]), teacher).item(), 4)
        0.0
    """

    paper: ClassVar[str] = "Miles, Elezi, Deng 2024, arXiv 2403.06213"
    orthogonal: ClassVar[bool] = True
    kind: ClassVar = "feature"
    place: ClassVar[Place] = "embedding"
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 0.5)

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return the mean squared distance to the normalised teacher."""
        same_shape("VkD", student, teacher)
        features = 1 if student.dim() == 4 else -1
        if student.dim() < 2 or student.shape[features] < 2:
            raise LimbeckError(
                f"VkD normalises each sample over its features (N, D), and {tuple(student.shape)} has no two of "
                "them: name a layer that gives vectors, tokens or maps."
            )
        known = full_precision(student).movedim(features, -1)
        target = full_precision(teacher.detach()).movedim(features, -1)
        with without_autocast(target):
            return F.mse_loss(known, F.layer_norm(target, target.shape[-1:], eps=EPS))
