"""A comprehensive overhaul of feature distillation (Heo et al. 2019)."""

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.functional import full_precision
from limbeck.losses.base import DistillationLoss, Place, maps, same_layers, same_samples, same_shape
from limbeck.types import Context


class OverhaulFeature(DistillationLoss):
    """Match what the teacher lets through its ReLU: partial L2 to max(F_t, m), over several levels (OFD).

    Heo, Kim, Yun, Park, Kwak, Choi, "A Comprehensive Overhaul of Feature Distillation", 2019, arXiv 1904.01866. Taken
    before the ReLU, positive values are worth matching exactly and negative ones only say "off": they are raised to a
    margin, and a student that lies still lower is left alone.

    Definition:
        For levels l = 1 … L, shallow to deep, with student s and teacher t of one shape (N, C, H, W) before their
        ReLU, D_l = C·H·W elements a sample, and margins m[l, c] ≤ 0::

            T[l, n, c, hw] = max(t[l, n, c, hw], m[l, c])
            d[l, n, c, hw] = 0 if s ≤ T ≤ 0, else (s − T)²
            L              = 1/(N·D_L) · Σ_l 2^−(L−l) · Σ_n Σ_c Σ_hw d[l, n, c, hw]

        The margin m[l, c] is given, or estimated in each batch as the mean of those t[l, :, c, :] that are below zero
        (0 where none is).

    Differs from the paper:
        The paper sums over elements and its code divides by 1000 (CIFAR) or 10,000 (ImageNet); here the elements of
        the last level divide, which makes both of these about 16 and 10, hence the usual 16, and the loss independent
        of resolution. Where each level halves the elements of the one before, as in a ResNet, the factors 2^−(L−l)
        make every level count the same. The code takes −3|γ| for the margin of a channel that is below zero less
        than once in 1000; :func:`margins_of` keeps to the formula. The teacher's batch norm runs on its training
        statistics there, and in evaluation mode here, like everything in a frozen teacher.

    When it helps:
        Convolutional pairs with ReLU, tapped before it. Where the taps come after a ReLU the margin is 0 and the loss
        is :class:`FitNets` that forgives negative students.

    Args:
        margins: for each level the margin of each channel, (C,) each, such as :func:`margins_of` gives; one tensor
            where there is one level; ``None`` estimates them in each batch.

    Shape:
        student and teacher tuples of (N, C, H, W), of one shape level by level; returns a scalar, a mean over samples.

    Raises:
        LimbeckError: not as many of both; not maps; shapes that differ; margins for other levels or channels.

    Example:
        >>> import torch
        >>> student, teacher = torch.tensor([[[[-5.0]], [[1.0]]]]), torch.tensor([[[[-1.0]], [[3.0]]]])
        >>> OverhaulFeature()((student,), (teacher,)).item()
        2.0
    """

    paper: ClassVar[str] = "Heo et al. 2019, arXiv 1904.01866"
    kind = "feature"
    place: ClassVar[Place] = "every map"
    several: ClassVar[bool] = True
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 16.0)
    relates_samples: ClassVar[bool] = True  # through the margins that it estimates

    def __init__(self, margins: Sequence[Tensor] | Sequence[Sequence[float]] | Tensor | None = None):
        super().__init__()
        given = _by_level(margins)
        self.levels = tuple(len(each) for each in given)
        for level, margin in enumerate(given):
            self.register_buffer(f"margin{level}", margin)

    def forward(
        self, student: Sequence[Tensor], teacher: Sequence[Tensor], context: Context | None = None
    ) -> Tensor:
        """Return the weighted sum over levels of the partial L2."""
        same_layers("OverhaulFeature", student, teacher)
        if self.levels and len(self.levels) != len(student):
            raise LimbeckError(
                f"OverhaulFeature has margins for {len(self.levels)} levels but gets {len(student)}: give margins for "
                "each level, or none to estimate them."
            )
        parts = []
        for level, (known, taught) in enumerate(zip(student, teacher, strict=True)):
            maps("OverhaulFeature", student=known, teacher=taught)
            same_samples("OverhaulFeature", known, taught)
            same_shape("OverhaulFeature", known, taught)
            margin = self._margin(level, full_precision(taught.detach()))
            parts.append(_partial_l2(full_precision(known), full_precision(taught.detach()), margin))
        total: Tensor = torch.stack([part / 2**step for step, part in enumerate(reversed(parts))]).sum()
        return total / student[-1].numel()

    def _margin(self, level: int, teacher: Tensor) -> Tensor:
        """Return (C, 1, 1): the margins given, or the mean of what is below zero."""
        if not self.levels:
            below = teacher.clamp(max=0).sum((0, 2, 3))
            return (below / (teacher < 0).sum((0, 2, 3)).clamp(min=1))[:, None, None]
        margin: Tensor = getattr(self, f"margin{level}").to(teacher.dtype)
        if len(margin) != teacher.shape[1]:
            raise LimbeckError(
                f"OverhaulFeature has {len(margin)} margins for level {level + 1}, whose teacher gives "
                f"{tuple(teacher.shape)}: give one margin for each channel."
            )
        return margin[:, None, None]

    def extra_repr(self) -> str:
        """Show in ``repr`` where margins come from."""
        return f"margins={list(self.levels) or None}"


def margins_of(weight: Tensor, bias: Tensor) -> Tensor:
    """Return the margins E[x | x < 0] of channels whose batch norm has this weight γ and bias β.

    After batch norm, x is taken to be normal with mean β and standard deviation |γ|, so that with z = β/|γ| the mean
    of what is below zero is β − |γ|·φ(z)/Φ(−z).

    Args:
        weight: (C,) γ.
        bias: (C,) β.

    Returns:
        (C,) values of at most 0.

    Example:
        >>> [round(each, 4) for each in margins_of(torch.tensor([1.0, 1.0]), torch.tensor([0.0, -9.0])).tolist()]
        [-0.7979, -9.0]
    """
    spread = weight.detach().double().abs().clamp(min=1e-12)
    z = (bias.detach().double() / spread).clamp(max=100)  # less than |γ|/100 below zero from here on
    hazard = (-0.5 * z.square() - 0.5 * math.log(2 * math.pi) - torch.special.log_ndtr(-z)).exp()
    margins: Tensor = spread * (z - hazard)
    return margins.to(weight.dtype)


def _partial_l2(student: Tensor, teacher: Tensor, margin: Tensor) -> Tensor:
    """Return the sum of squares to the teacher above its margin, but where both are off and the student more so."""
    with torch.no_grad():
        target = torch.maximum(teacher, margin)
        left_alone = (target <= 0) & (student <= target)
        target = torch.where(left_alone, student, target)
    return F.mse_loss(student, target, reduction="sum")


def _by_level(margins: Sequence[Tensor] | Sequence[Sequence[float]] | Tensor | None) -> list[Tensor]:
    if margins is None:
        return []
    try:
        levels = [margins] if isinstance(margins, Tensor) else list(margins)
        tensors = [torch.as_tensor(each, dtype=torch.get_default_dtype()).detach().clone() for each in levels]
    except (TypeError, ValueError):
        tensors = []
    if not tensors or any(each.dim() != 1 or not (each <= 0).all() for each in tensors):
        raise LimbeckError(
            "margins must list for each level one number of at most 0 for each channel, as margins_of gives them, "
            f"not {margins!r}."
        )
    return tensors
