"""A projection that keeps lengths and angles (Miles, Elezi, Deng 2024)."""

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import orthogonal

from limbeck.adapters import given
from limbeck.functional import full_precision, without_autocast


class Orthogonal(nn.Module):
    """Bring the student's features to the teacher's width by a matrix that stays orthogonal while it learns.

    Miles, Elezi, Deng, "VkD: Improving Knowledge Distillation using Orthogonal Projections", 2024, arXiv 2403.06213.
    The weight W (teacher_channels, student_channels) has orthonormal columns (WᵀW = I), so that the student's lengths
    and angles arrive unchanged; where the teacher is the narrower one, its rows are orthonormal (WWᵀ = I). There is
    no bias. The weight is computed from a free parameter at each forward (``torch``'s parametrisation), so any
    optimizer keeps it orthogonal, weight decay included.

    Args:
        student_channels: width of what comes in.
        teacher_channels: width of what goes out.

    Shape:
        (N, D) vectors, (N, L, D) tokens, or (N, D, H, W) maps, where it acts as a 1×1 convolution.

    Raises:
        LimbeckError: widths that are no whole numbers above zero; an input of another width.

    Example:
        >>> import torch
        >>> adapter = Orthogonal(2, 5)
        >>> vectors = torch.tensor([[3.0, 4.0]])
        >>> round(adapter(vectors).norm().item(), 4)
        5.0
        >>> adapter(torch.zeros(1, 2, 7, 7)).shape
        torch.Size([1, 5, 7, 7])
    """

    def __init__(self, student_channels: int, teacher_channels: int):
        super().__init__()
        self.student_channels = given.count("student_channels", student_channels)
        self.teacher_channels = given.count("teacher_channels", teacher_channels)
        self.project = orthogonal(nn.Linear(student_channels, teacher_channels, bias=False))

    def forward(self, features: Tensor) -> Tensor:
        """Return the projected features, in the layout of ``features``."""
        given.tensor(
            "Orthogonal", features, "vectors (N, D), tokens (N, L, D) or maps (N, D, H, W)", (2, 3, 4)
        )
        channels = features.shape[1 if features.dim() == 4 else -1]
        given.width("Orthogonal", channels, self.student_channels, tuple(features.shape))
        with without_autocast(features):
            weight = cast(Tensor, self.project.weight)  # computed from the free parameter, once
            known = full_precision(features)
            if known.dim() == 4:
                return F.conv2d(known, weight[:, :, None, None])
            return F.linear(known, weight)

    def extra_repr(self) -> str:
        """Show the widths in ``repr``."""
        return f"{self.student_channels}, {self.teacher_channels}"
