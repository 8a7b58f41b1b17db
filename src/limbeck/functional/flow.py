"""How features flow from one layer to another."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from limbeck.functional.precision import without_autocast


def flow_gap(first: Tensor, last: Tensor, known_first: Tensor, known_last: Tensor) -> Tensor:
    """Return the mean squared difference of two flow matrices G = A Bᵀ / P (Yim et al. 2017, equation 1).

    Both are made in one buffer (N, A, B), which also is all that is kept for the gradient.

    Args:
        first: (N, A, P) of the student.
        last: (N, B, P) of the student.
        known_first: (N, A, Q) of the teacher; gets no gradient.
        known_last: (N, B, Q) of the teacher; gets no gradient.

    Returns:
        A scalar, a mean over samples and elements of G.

    Example:
        >>> one, other = torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[1.0]]])
        >>> flow_gap(one, one, other, other).item()  # 5 and 1
        16.0
    """
    value: Tensor = _FlowGap.apply(first, last, known_first.detach(), known_last.detach())
    return value


class _FlowGap(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, first: Tensor, last: Tensor, known_first: Tensor, known_last: Tensor) -> Tensor:
        with without_autocast(first):
            apart = known_first @ known_last.mT
            apart.baddbmm_(first, last.mT, beta=-1 / known_first.shape[2], alpha=1 / first.shape[2])
        ctx.save_for_backward(first, last, apart)
        # by sample: a norm of all at once loses digits, and squares would be a second buffer
        squares: Tensor = torch.linalg.vector_norm(apart, dim=(1, 2)).square()
        return squares.sum() / apart.numel()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        first, last, apart = ctx.saved_tensors
        slope = gradient * (2 / (apart.numel() * first.shape[2]))
        wanted = ctx.needs_input_grad
        with without_autocast(first):
            to_first = (apart @ last).mul_(slope) if wanted[0] else None
            to_last = (apart.mT @ first).mul_(slope) if wanted[1] else None
        return to_first, to_last, None, None
