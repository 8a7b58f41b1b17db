"""Distilling knowledge via knowledge review (Chen, Liu, Zhao, Jia 2021)."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from limbeck.checks import widths
from limbeck.errors import LimbeckError
from limbeck.functional import full_precision, without_float16
from limbeck.losses.base import DistillationLoss, Place, same_samples
from limbeck.losses.layers import map_levels
from limbeck.types import Context

POOLED = (4, 2, 1)
"""Sizes of the pyramid below full resolution."""


class ReviewKD(DistillationLoss):
    """Let each teacher level teach the student's level and all deeper ones, fused: Σ_levels HCL(fused F_s, F_t).

    Chen, Liu, Zhao, Jia, "Distilling Knowledge via Knowledge Review", CVPR 2021, arXiv 2104.09044. Shallow teacher
    features are simple enough to guide deep student ones, as one reviews old lessons; going from deep to shallow, each
    student level is merged with what came from below by learnt attention (ABF), and compared at several
    resolutions (the hierarchical context loss, HCL).

    Definition:
        Levels k = 1 … L from shallow to deep, student S_k (N, c_k, h_k, w_k), teacher T_k (N, C_k, H_k, W_k),
        m = min(512, c_L). From k = L down to 1:
        x_k = norm(conv 1×1 (c_k → m) of S_k);
        k < L: y_k = r_{k+1} resized to (h_k, w_k); a = sigmoid(conv 1×1 (2m → 2, bias) of [x_k, y_k]), two maps a_1,
        a_2; r_k = a_1·x_k + a_2·y_k; and r_L = x_L;
        O_k = norm(conv 3×3 (m → C_k, padding 1) of r_k resized to (H_k, W_k)).
        Convolutions but the attention's have no bias and start from kaiming_uniform(a=1); norm = batch normalisation
        (ε 1e-5; batch statistics in training mode, running ones in evaluation mode); resizing is to the nearest
        (``F.interpolate(mode="nearest")``).
        HCL(O, T) = Σ_l w_l · MSE(pool_l(O), pool_l(T)) / Σ_l w_l: first without pooling, w = 1; then w = 1/2, 1/4, …
        for those sizes l of 4, 2, 1, in this order, that make the map smaller; pool_l averages over a grid of
        min(l, H_k) × min(l, W_k) (``F.adaptive_avg_pool2d``); MSE is the mean over samples, channels and positions.
        loss = Σ_k HCL(O_k, T_k).

    Differs from the paper:
        r_k is handed on at the student's resolution; its authors' code hands it on after resizing to the teacher's.
        Both agree where student and teacher have the same resolutions. Non-square maps are allowed. The code raises
        the weight from 0 over 20 epochs: put a schedule on the term's weight for that.

    When it helps:
        With convolutional pairs of three or more stages; among the best of feature-based methods in its paper. The
        pooled embedding may be the last level, as (N, C, 1, 1). The paper taps features before their ReLU.

    Args:
        student_channels: c_1 … c_L, from shallow to deep.
        teacher_channels: C_1 … C_L, from shallow to deep.

    Shape:
        student and teacher tuples of L maps each, from shallow to deep; resolutions may differ; returns a scalar.
        ``usual_weights`` are the defaults of the authors' code, which sets 0.6 to 8 by pair of networks.

    Raises:
        LimbeckError: channels out of range, or other numbers of levels; no maps, or not those the loss was built for;
            one sample.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> loss = ReviewKD(student_channels=[2, 3], teacher_channels=[4, 5])
        >>> student = torch.randn(2, 2, 8, 8), torch.randn(2, 3, 4, 4)
        >>> teacher = torch.zeros(2, 4, 8, 8), torch.zeros(2, 5, 2, 2)
        >>> loss(student, teacher).item() > 0
        True
    """

    paper: ClassVar[str] = "Chen, Liu, Zhao, Jia 2021, arXiv 2104.09044"
    kind: ClassVar = "feature"
    place: ClassVar[Place] = "every map"
    several: ClassVar[bool] = True
    same_shape: ClassVar[bool] = False
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 1.0)
    smallest_batch: ClassVar[int] = 2

    def __init__(self, student_channels: Sequence[int], teacher_channels: Sequence[int]):
        super().__init__()
        self.student_channels = widths("student_channels", student_channels)
        self.teacher_channels = widths("teacher_channels", teacher_channels)
        if len(self.student_channels) != len(self.teacher_channels):
            raise LimbeckError(
                f"ReviewKD pairs levels one to one, but student_channels has {len(self.student_channels)} and "
                f"teacher_channels {len(self.teacher_channels)}: name as many layers of one as of the other."
            )
        middle = min(512, self.student_channels[-1])
        deepest = len(self.student_channels) - 1
        self.fusions = nn.ModuleList(
            _Fusion(own, middle, out, fuses=level < deepest)
            for level, (own, out) in enumerate(zip(self.student_channels, self.teacher_channels, strict=True))
        )

    def forward(
        self, student: Sequence[Tensor], teacher: Sequence[Tensor], context: Context | None = None
    ) -> Tensor:
        """Return the sum over levels of the hierarchical context loss."""
        known = map_levels("ReviewKD", "student", student, self.student_channels)
        taught = map_levels("ReviewKD", "teacher", teacher, self.teacher_channels)
        for each in (*known, *taught):
            same_samples("ReviewKD", each, taught[0], self.smallest_batch)
        parts, fused = [], None
        for level in reversed(range(len(known))):
            target = full_precision(taught[level].detach())
            with without_float16(target):
                output, fused = self.fusions[level](full_precision(known[level]), fused, target.shape[2:])
            parts.append(hierarchical_context(full_precision(output), target))
        return torch.stack(parts).sum()

    def extra_repr(self) -> str:
        """Show the widths in ``repr``."""
        return f"student_channels={self.student_channels}, teacher_channels={self.teacher_channels}"


class _Fusion(nn.Module):
    """Attention-based fusion of one level with what came from the deeper ones."""

    def __init__(self, channels: int, middle: int, out: int, fuses: bool):
        super().__init__()
        convolutions = (
            nn.Conv2d(channels, middle, 1, bias=False),
            nn.Conv2d(middle, out, 3, padding=1, bias=False),
        )
        for each in convolutions:
            nn.init.kaiming_uniform_(each.weight, a=1)
        self.own = nn.Sequential(convolutions[0], nn.BatchNorm2d(middle))
        self.out = nn.Sequential(convolutions[1], nn.BatchNorm2d(out))
        self.attention = nn.Conv2d(2 * middle, 2, 1) if fuses else None

    def forward(self, student: Tensor, deeper: Tensor | None, size: torch.Size) -> tuple[Tensor, Tensor]:
        fused: Tensor = self.own(student)
        if self.attention is not None and deeper is not None:
            deeper = _resized(deeper, fused.shape[2:])
            own, below = self._attended(fused, deeper).sigmoid().chunk(2, 1)
            fused = fused * own + deeper * below
        return self.out(_resized(fused, size)), fused

    def _attended(self, own: Tensor, deeper: Tensor) -> Tensor:
        """Return the attention's convolution of both maps side by side, without laying them side by side."""
        assert self.attention is not None
        first, second = self.attention.weight.chunk(2, 1)
        return F.conv2d(own, first, self.attention.bias) + F.conv2d(deeper, second)


def hierarchical_context(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the distance between two maps, averaged over resolutions (the paper's HCL).

    Args:
        student: (N, C, H, W).
        teacher: the same shape.

    Example:
        >>> hierarchical_context(torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)).item()
        1.0
    """
    height, width = student.shape[2:]
    total, weight, weights = F.mse_loss(student, teacher), 1.0, 1.0
    finer: Tensor | None = None
    for size in POOLED:
        grid = (min(size, height), min(size, width))
        if grid == (height, width):
            continue
        if height % grid[0] or width % grid[1]:
            difference = F.adaptive_avg_pool2d(student, grid) - F.adaptive_avg_pool2d(teacher, grid)
        elif finer is None:
            cell = (height // grid[0], width // grid[1])
            finer = difference = F.avg_pool2d(student, cell) - F.avg_pool2d(teacher, cell)
        else:  # cells of one size are means of the finer grid's cells
            cell = (finer.shape[2] // grid[0], finer.shape[3] // grid[1])
            finer = difference = F.avg_pool2d(finer, cell)
        weight /= 2
        weights += weight
        total = total + weight * difference.square().mean()
    return total / weights


def _resized(value: Tensor, size: Any) -> Tensor:
    return value if value.shape[2:] == size else F.interpolate(value, size, mode="nearest")
