"""Knowledge distillation with the reused teacher classifier (Chen et al. 2022)."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from limbeck.checks import switch, whole
from limbeck.functional import full_precision, without_float16
from limbeck.functional.maps import pooled_alike
from limbeck.losses.base import DistillationLoss, Place, maps, same_samples
from limbeck.losses.layers import built_for
from limbeck.types import Context


class SimKD(DistillationLoss):
    """Give the student the teacher's last feature, and with it the teacher's classifier: MSE(P(F_s), F_t).

    Chen, Mei, Zhang, Wang, Feng, Chen, "Knowledge Distillation with the Reused Teacher Classifier", CVPR 2022, arXiv
    2203.14001. Much of a teacher's strength lies in its classifier, so the student takes it over unchanged; all that
    is left to learn is to give it the feature it expects, through a projector that stays in the deployed model.

    Definition:
        P = conv 1×1 (C_s → m) – norm – ReLU – conv 3×3 (m → m, padding 1) – norm – ReLU – conv 1×1 (m → C_t) – norm
        – ReLU, with m = max(1, C_t // factor), convolutions without bias, norm = batch normalisation (ε 1e-5;
        batch statistics in training mode, running ones in evaluation mode); without the last ReLU where ``rectified``
        is false;
        A = average over the cells of a grid of min(H_s, H_t) × min(W_s, W_t) (``F.adaptive_avg_pool2d``);
        loss = mean over samples, channels and positions of (A(P(F_s)) − A(F_t))².

    Differs from the paper:
        Where the student's map is larger, its authors' code pools it before the projector, ours after: so the
        deployed projector need not know the teacher's resolution. ``rectified=False`` is an addition for teachers
        whose last feature takes both signs (transformers, ConvNeXt, SiLU networks), which a ReLU can never reach.

    When it helps:
        Where the teacher's classifier is much better than the student's, and the projector's size is acceptable:
        ``projector`` and the teacher's classifier are part of the student at inference. No hard loss is needed.

    Args:
        student_channels: C_s.
        teacher_channels: C_t.
        factor: how many times narrower than the teacher's feature the projector is inside (the paper: 2).
        rectified: end the projector with a ReLU, as the paper's teachers do.

    Shape:
        student (N, C_s, H_s, W_s), teacher (N, C_t, H_t, W_t), each before its pooling; returns a scalar.
        ``usual_weights`` are the paper's: this loss alone.

    Raises:
        LimbeckError: settings out of range; no maps; other channels; one sample.

    Example:
        >>> import torch
        >>> loss = SimKD(student_channels=2, teacher_channels=4)
        >>> loss(torch.zeros(2, 2, 4, 4), torch.zeros(2, 4, 4, 4)).item()
        0.0
        >>> loss.projector(torch.zeros(2, 2, 4, 4)).shape
        torch.Size([2, 4, 4, 4])
    """

    paper: ClassVar[str] = "Chen, Mei, Zhang, Wang, Feng, Chen 2022, arXiv 2203.14001"
    kind: ClassVar = "feature"
    place: ClassVar[Place] = "last map"
    same_shape: ClassVar[bool] = False
    usual_weights: ClassVar[tuple[float, float]] = (0.0, 1.0)
    smallest_batch: ClassVar[int] = 2

    def __init__(self, student_channels: int, teacher_channels: int, factor: int = 2, rectified: bool = True):
        super().__init__()
        self.student_channels = whole("student_channels", student_channels)
        self.teacher_channels = whole("teacher_channels", teacher_channels)
        self.factor = whole("factor", factor)
        self.rectified = switch("rectified", rectified)
        inside = max(1, teacher_channels // factor)
        self.projector = nn.Sequential(
            nn.Conv2d(student_channels, inside, 1, bias=False),
            nn.BatchNorm2d(inside),
            nn.ReLU(),
            nn.Conv2d(inside, inside, 3, padding=1, bias=False),
            nn.BatchNorm2d(inside),
            nn.ReLU(),
            nn.Conv2d(inside, teacher_channels, 1, bias=False),
            nn.BatchNorm2d(teacher_channels),
            *([nn.ReLU()] if rectified else []),
        )

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return the mean squared distance between the projected and the teacher's feature."""
        maps("SimKD", student=student, teacher=teacher)
        same_samples("SimKD", student, teacher, self.smallest_batch)
        built_for("SimKD", "student", student, self.student_channels)
        built_for("SimKD", "teacher", teacher, self.teacher_channels)
        with without_float16(student):
            projected = full_precision(self.projector(full_precision(student)))
        target = full_precision(teacher.detach())
        return F.mse_loss(*pooled_alike(projected, target))

    def extra_repr(self) -> str:
        """Show the settings in ``repr``."""
        return f"factor={self.factor}, rectified={self.rectified}"
