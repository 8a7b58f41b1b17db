"""A projection that keeps lengths and angles (Miles, Elezi, Deng 2024)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from limbeck.adapters import given
from limbeck.checks import whole
from limbeck.functional import full_precision, without_autocast


class Orthogonal(nn.Module):
    """Bring the student's features to the teacher's width by a matrix that stays orthogonal while it learns.

    Miles, Elezi, Deng, "VkD: Improving Knowledge Distillation using Orthogonal Projections", 2024, arXiv 2403.06213.
    The weight W (teacher_channels, student_channels) has orthonormal columns (WᵀW = I), so that the student's lengths
    and angles arrive unchanged; where the teacher is the narrower one, its rows are orthonormal (WWᵀ = I). There is
    no bias. The weight is the Q of a free matrix's QR decomposition, taken at each forward, with the signs that make
    R's diagonal positive; so any optimizer keeps it orthogonal. (``torch.nn.utils.parametrizations.orthogonal`` turns
    to zero under weight decay where the matrix is not square, and takes at least ten times longer.)

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
        self.student_channels = whole("student_channels", student_channels)
        self.teacher_channels = whole("teacher_channels", teacher_channels)
        self.free = nn.Parameter(nn.init.orthogonal_(torch.empty(teacher_channels, student_channels)))

    @property
    def weight(self) -> Tensor:
        """The projection (teacher_channels, student_channels), orthonormal."""
        free = full_precision(self.free)
        wide = self.teacher_channels < self.student_channels
        with without_autocast(free):
            q, r = torch.linalg.qr(free.T if wide else free)
        q = torch.where(r.diagonal() < 0, -q, q)
        return q.T if wide else q

    def forward(self, features: Tensor) -> Tensor:
        """Return the projected features, in the layout of ``features``."""
        given.tensor(
            "Orthogonal", features, "vectors (N, D), tokens (N, L, D) or maps (N, D, H, W)", (2, 3, 4)
        )
        channels = features.shape[1 if features.dim() == 4 else -1]
        given.width("Orthogonal", channels, self.student_channels, tuple(features.shape))
        weight, known = self.weight, full_precision(features)
        with without_autocast(known):
            return F.conv2d(known, weight[:, :, None, None]) if known.dim() == 4 else F.linear(known, weight)

    def extra_repr(self) -> str:
        """Show the widths in ``repr``."""
        return f"{self.student_channels}, {self.teacher_channels}"
