"""Channel-wise knowledge distillation for dense prediction (Shu et al. 2021)."""

from typing import ClassVar

from torch import Tensor

from limbeck.checks import temperature_in_range
from limbeck.errors import LimbeckError
from limbeck.functional import soft_kl
from limbeck.losses.base import DistillationLoss, Place, maps, same_shape
from limbeck.types import Context


class CWD(DistillationLoss):
    """Match where each channel looks: T²/C · Σ_c KL(φ(F_t,c) ‖ φ(F_s,c)), φ a softmax over positions.

    Shu, Liu, Gao, Yan, Shen, "Channel-wise Knowledge Distillation for Dense Prediction", ICCV 2021, arXiv
    2011.13256. Each channel of a feature map is turned into a distribution over positions, which keeps where it is
    active and drops how strongly; the KL divergence weighs the teacher's salient regions most.

    Definition:
        p(n, c, i) = exp(F(n, c, i) / T) / Σ_j exp(F(n, c, j) / T), i and j over the H·W positions, for
        student and teacher each;
        loss = T² / (N·C) · Σ_n Σ_c Σ_i p_t(n, c, i) · (log p_t(n, c, i) − log p_s(n, c, i)).

    Differs from the paper:
        Nothing. Where channels or resolutions differ, the paper's 1×1 convolution and resizing are an adapter of the
        term. Public code that divides by N·C·H·W instead is H·W times smaller.

    When it helps:
        In dense prediction, on the logit map or the last feature map. It is blind to a shift of each channel, so it
        says nothing where a map has been pooled to one position, and is refused there.

    Args:
        temperature: T > 0 (the paper: 4); a lower one looks at fewer positions.

    Shape:
        student and teacher (N, C, H, W), H·W ≥ 2; returns a scalar. ``usual_weights`` are the paper's for feature
        maps in segmentation; on logit maps it uses 3.

    Raises:
        LimbeckError: temperature out of range; no maps; shapes that differ; a single position.

    Example:
        >>> import torch
        >>> feature = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
        >>> CWD()(feature + 5, feature).item()
        0.0
        >>> round(CWD()(feature.flip(-1), feature).item(), 4)
        0.4974
    """

    paper: ClassVar[str] = "Shu, Liu, Gao, Yan, Shen 2021, arXiv 2011.13256"
    kind: ClassVar = "feature"
    place: ClassVar[Place] = "last map"
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 50.0)

    def __init__(self, temperature: float = 4.0):
        super().__init__()
        self.temperature = temperature_in_range(temperature)

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return T²/C times the sum over channels of the KL divergence over positions."""
        maps("CWD", student=student, teacher=teacher)
        same_shape("CWD", student, teacher)
        if student.shape[2] * student.shape[3] < 2:
            raise LimbeckError(
                f"CWD compares distributions over positions, and maps of {tuple(student.shape)} have only one: name a "
                "layer before the pooling."
            )
        divergence = soft_kl(student.flatten(2), teacher.detach().flatten(2), self.temperature)
        return self.temperature**2 * divergence

    def extra_repr(self) -> str:
        """Show the temperature in ``repr``."""
        return f"temperature={self.temperature:g}"
