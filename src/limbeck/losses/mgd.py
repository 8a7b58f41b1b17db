"""Masked generative distillation (Yang et al. 2022)."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from limbeck.checks import between, whole
from limbeck.functional import full_precision, without_float16
from limbeck.losses.base import DistillationLoss, Place, maps, same_shape
from limbeck.losses.layers import built_for
from limbeck.types import Context


class MGD(DistillationLoss):
    """Let the student's masked feature generate the teacher's full one: MSE(G(F_s · M), F_t).

    Yang, Li, Shao, Shi, Yuan, Yuan, "Masked Generative Distillation", ECCV 2022, arXiv 2205.01529. Positions of the
    student's map are hidden at random, and a small generator must restore the teacher's whole map from the rest: the
    student has to learn features that know their surroundings, not only to copy them.

    Definition:
        M(n, i) = 0 where u(n, i) < mask_ratio, else 1, u = torch.rand(N, 1, H, W) on the maps' device, in float32;
        in evaluation mode M = 1;
        G = conv 3×3 (C → C, padding 1, bias), ReLU, conv 3×3 (C → C, padding 1, bias), C = teacher_channels;
        loss = 1/(N·C·H·W) · Σ (G(F_s · M) − F_t)². What is left is not scaled up.

    Differs from the paper:
        The mean over C·H·W in place of the sum, so that the weight does not depend on the map's size. The paper's
        1×1 convolution between widths is the term's adapter. For classification the authors' later code hides whole
        channels at a ratio of 0.15; here positions are hidden, as in the paper.

    When it helps:
        On last maps, for classification as well as dense prediction, where the student's map is large enough to be
        completed from its surroundings. The generator costs two convolutions a step and is thrown away afterwards.

    Args:
        teacher_channels: C, of both sides.
        mask_ratio: share of positions to hide, 0 to 1 (the paper: 0.5 for classification, up to 0.75 elsewhere).

    Shape:
        student and teacher (N, C, H, W); returns a scalar. ``usual_weights``: the paper's 7e-5 for a sum over the
        512·7·7 numbers of its ResNets, which is 1.76 for a mean.

    Raises:
        LimbeckError: settings out of range; no maps; shapes that differ; other channels.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> feature = torch.ones(1, 2, 4, 4)
        >>> MGD(teacher_channels=2)(feature, feature).item() > 0
        True
    """

    paper: ClassVar[str] = "Yang, Li, Shao, Shi, Yuan, Yuan 2022, arXiv 2205.01529"
    kind: ClassVar = "feature"
    place: ClassVar[Place] = "last map"
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 1.76)

    def __init__(self, teacher_channels: int, mask_ratio: float = 0.5):
        super().__init__()
        self.teacher_channels = width = whole("teacher_channels", teacher_channels)
        self.mask_ratio = between("mask_ratio", mask_ratio, 0, 1)
        self.generator = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)
        )

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return the mean squared error of what is generated."""
        maps("MGD", student=student, teacher=teacher)
        same_shape("MGD", student, teacher)
        built_for("MGD", "student", student, self.teacher_channels, "teacher_channels")
        known = full_precision(student)
        if self.training:
            positions = (known.shape[0], 1, *known.shape[2:])
            known = known * (torch.rand(positions, device=known.device) >= self.mask_ratio)
        with without_float16(known):
            generated = full_precision(self.generator(known))
        return F.mse_loss(generated, full_precision(teacher.detach()))

    def extra_repr(self) -> str:
        """Show the ratio in ``repr``."""
        return f"mask_ratio={self.mask_ratio:g}"
