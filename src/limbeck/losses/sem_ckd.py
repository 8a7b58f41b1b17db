"""Cross-layer distillation with semantic calibration (Chen et al. 2021)."""

from collections.abc import Sequence
from itertools import product
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from limbeck.checks import temperature_in_range, whole, widths
from limbeck.functional import full_precision, without_autocast, without_float16
from limbeck.functional.maps import pooled_alike
from limbeck.losses.base import DistillationLoss, Place, same_samples
from limbeck.losses.layers import map_levels
from limbeck.types import Context


class SemCKD(DistillationLoss):
    """Learn which teacher layer teaches which student layer: Σ_st α_st · MSE(P_st(F_s), F_t), α learnt by attention.

    Chen, Mei, Zhang, Wang, Wang, Feng, Chen, "Cross-Layer Distillation with Semantic Calibration", AAAI 2021, arXiv
    2012.03236. Layers of the same depth need not mean the same, and a wrong pair hurts; here every student layer
    attends over all teacher layers, sample by sample, and learns most from those that mean the most similar things.

    Definition:
        Student layers s = 1 … S, teacher layers t = 1 … T.
        g(F) = mean over positions of F, (N, C);
        q_s = unit(Q_s(g(F_s))), k_t = unit(K_t(g(F_t))); Q_s and K_t are each linear (C → 2·width) – ReLU –
        linear (2·width → width), with biases; unit(v) = v / max(‖v‖₂, 1e-6);
        α(n, s, ·) = softmax over t of ⟨q_s(n), k_t(n)⟩ / temperature;
        A_st = average over the cells of a grid of min(H_s, H_t) × min(W_s, W_t) (``F.adaptive_avg_pool2d``);
        P_st = conv 1×1 (C_s → 2·C_t) – norm – ReLU – conv 3×3 (2·C_t → 2·C_t, padding 1) – norm – ReLU – conv 1×1
        (2·C_t → C_t), convolutions without bias, norm = batch normalisation (ε 1e-5; batch statistics in training
        mode, running ones in evaluation mode);
        d_st(n) = mean over channels and positions of (P_st(A_st(F_s)) − A_st(F_t))² for sample n;
        loss = 1/(N·S) · Σ_n Σ_s Σ_t α(n, s, t) · d_st(n).

    Differs from the paper:
        The paper makes queries and keys from each sample's row of the batch's similarity matrix F·Fᵀ (N×N), so
        its weights fit one batch size, a sample's attention depends on who stands where in the batch, and the authors'
        code skips a smaller last batch. Here they are made from the sample's own pooled feature. ``width`` 16 is what
        the authors' code has at its batch size of 64 (64/4).

    When it helps:
        Between families of networks, where nobody knows which layers belong together. It holds a projection of two
        3×3-sized convolutions' cost for each of the S·T pairs: give it stages, not blocks.

    Args:
        student_channels: C_s of each student layer.
        teacher_channels: C_t of each teacher layer; their number may differ from the student's.
        width: of queries and keys.
        temperature: of the attention (the paper: 1); lower settles on fewer layers.

    Shape:
        student a tuple of S maps, teacher a tuple of T maps (N, C, H, W); returns a scalar. ``usual_weights`` are
        the paper's (400), which uses KD of weight 1 beside it.

    Raises:
        LimbeckError: settings out of range; no maps, or not those the loss was built for; one sample.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> loss = SemCKD(student_channels=[2, 3], teacher_channels=[4, 5, 6])
        >>> student = torch.randn(2, 2, 8, 8), torch.randn(2, 3, 4, 4)
        >>> teacher = torch.randn(2, 4, 8, 8), torch.randn(2, 5, 4, 4), torch.randn(2, 6, 2, 2)
        >>> loss(student, teacher).item() > 0
        True
        >>> loss.attention(student, teacher).sum(-1).shape
        torch.Size([2, 2])
    """

    paper: ClassVar[str] = "Chen, Mei, Zhang, Wang, Wang, Feng, Chen 2021, arXiv 2012.03236"
    kind: ClassVar = "feature"
    place: ClassVar[Place] = "every map"
    several: ClassVar[bool] = True
    same_shape: ClassVar[bool] = False
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 400.0)
    smallest_batch: ClassVar[int] = 2

    def __init__(
        self,
        student_channels: Sequence[int],
        teacher_channels: Sequence[int],
        width: int = 16,
        temperature: float = 1.0,
    ):
        super().__init__()
        self.student_channels = widths("student_channels", student_channels)
        self.teacher_channels = widths("teacher_channels", teacher_channels)
        self.width = whole("width", width)
        self.temperature = temperature_in_range(temperature)
        self.queries = nn.ModuleList(_embedding(each, width) for each in self.student_channels)
        self.keys = nn.ModuleList(_embedding(each, width) for each in self.teacher_channels)
        self.projectors = nn.ModuleList(
            _projector(own, out) for own, out in product(self.student_channels, self.teacher_channels)
        )

    def forward(
        self, student: Sequence[Tensor], teacher: Sequence[Tensor], context: Context | None = None
    ) -> Tensor:
        """Return the distances of all pairs, weighted by the attention."""
        known = map_levels("SemCKD", "student", student, self.student_channels)
        taught = map_levels("SemCKD", "teacher", teacher, self.teacher_channels)
        for each in (*known, *taught):
            same_samples("SemCKD", each, taught[0], self.smallest_batch)
        known = tuple(full_precision(each) for each in known)
        taught = tuple(full_precision(each.detach()) for each in taught)
        distances = [
            _distance(projector, own, out)
            for projector, (own, out) in zip(self.projectors, product(known, taught), strict=True)
        ]
        attention = self.attention(known, taught)
        return (attention.flatten(1) * torch.stack(distances, 1)).sum() / attention[..., 0].numel()

    def attention(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        """Return how much each student layer listens to each teacher layer, (N, S, T), rows summing to one."""
        with without_autocast(student[0]):
            queries = torch.stack(
                [_unit(make(_pooled(f))) for make, f in zip(self.queries, student, strict=True)], 1
            )
            keys = torch.stack(
                [_unit(make(_pooled(f))) for make, f in zip(self.keys, teacher, strict=True)], 1
            )
            return (queries @ keys.mT / self.temperature).softmax(-1)

    def extra_repr(self) -> str:
        """Show the settings in ``repr``."""
        return f"width={self.width}, temperature={self.temperature:g}"


def _embedding(channels: int, width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(channels, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))


def _projector(channels: int, out: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, 2 * out, 1, bias=False),
        nn.BatchNorm2d(2 * out),
        nn.ReLU(),
        nn.Conv2d(2 * out, 2 * out, 3, padding=1, bias=False),
        nn.BatchNorm2d(2 * out),
        nn.ReLU(),
        nn.Conv2d(2 * out, out, 1, bias=False),
    )


def _distance(projector: nn.Module, student: Tensor, teacher: Tensor) -> Tensor:
    """Return each sample's mean squared distance (N,) at the smaller of both resolutions."""
    own, target = pooled_alike(student, teacher)
    with without_float16(own):
        projected = full_precision(projector(own))
    return F.mse_loss(projected, target, reduction="none").flatten(1).mean(1)


def _pooled(value: Tensor) -> Tensor:
    return full_precision(value).mean((2, 3))


def _unit(value: Tensor) -> Tensor:
    return F.normalize(value, dim=-1, eps=1e-6)
