"""How alike two sets of channels are in what they select."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from limbeck.functional.precision import without_autocast


def squared_kernel_mmd(student: Tensor, teacher: Tensor, eps: float = 1e-6) -> Tensor:
    """Return MMD² between the directions of two sets of vectors under k(x, y) = (x·y)², a sum over samples.

    The mean of (x·y)² over all pairs of two sets is the inner product of their second moments, since
    ΣΣ (x·y)² = ⟨XᵀX, YᵀY⟩. So MMD² = ‖XᵀX/A − YᵀY/B‖²_F, which holds one (P, P) matrix for each sample and is exact
    where the sets are near each other. Where P is the larger, products of vectors with vectors take its place.

    Args:
        student: (N, A, P), N sets of A vectors; each counts divided by max(length, ``eps``).
        teacher: (N, B, P), likewise; gets no gradient.
        eps: what is shorter has less of a direction.

    Returns:
        A scalar.

    Example:
        >>> one, other = torch.tensor([[[3.0, 0.0]]]), torch.tensor([[[0.0, 1.0]]])
        >>> squared_kernel_mmd(one, one).item(), squared_kernel_mmd(one, other).item()
        (0.0, 2.0)
    """
    many, few, positions = student.shape[1], teacher.shape[1], student.shape[2]
    with without_autocast(student):
        if 2 * positions**2 <= many**2 + many * few + few**2:
            gap: Tensor = _MomentGap.apply(unit(student, eps), unit(teacher.detach(), eps))
            return gap
        return _by_pairs(student, teacher.detach(), eps)


def unit(vectors: Tensor, eps: float) -> Tensor:
    """Return vectors divided by max(length, ``eps``), keeping no more than themselves for the gradient.

    Args:
        vectors: (…, P).
        eps: above 0.

    Example:
        >>> unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), 1e-6).tolist()
        [[0.6..., 0.8...], [0.0, 0.0]]
    """
    directions: Tensor = _Unit.apply(vectors, eps)
    return directions


class _Unit(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor, eps: float) -> Tensor:
        length = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
        scale = length.clamp(min=eps)
        directions: Tensor = vectors / scale
        ctx.save_for_backward(directions, scale, length > eps)
        return directions

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        directions, scale, turns = ctx.saved_tensors
        along = (directions * gradient).sum(-1, keepdim=True).mul_(turns)
        return torch.addcmul(gradient, directions, along, value=-1).div_(scale), None


class _MomentGap(torch.autograd.Function):
    """Σ_n ‖XᵀX/A − YᵀY/B‖²_F, in one buffer."""

    @staticmethod
    def forward(ctx: Any, student: Tensor, teacher: Tensor) -> Tensor:
        gap = teacher.mT @ teacher
        gap.baddbmm_(student.mT, student, beta=-1 / teacher.shape[1], alpha=1 / student.shape[1])
        ctx.save_for_backward(student, gap)
        return gap.square().sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        student, gap = ctx.saved_tensors
        with without_autocast(student):
            return (student @ gap).mul_(gradient * (4 / student.shape[1])), None


def _by_pairs(student: Tensor, teacher: Tensor, eps: float) -> Tensor:
    """Divide the products by the lengths, which are their diagonal, rather than make copies of the vectors."""
    own, across = _Products.apply(student, teacher)
    other = teacher @ teacher.mT
    ours, theirs = (each.diagonal(dim1=1, dim2=2).clamp(min=eps**2).rsqrt() for each in (own, other))
    kernels = (
        own * ours[:, :, None] * ours[:, None, :],
        across * ours[:, :, None] * theirs[:, None, :],
        other * theirs[:, :, None] * theirs[:, None, :],
    )
    same, between, known = (each.square().mean((1, 2)) for each in kernels)
    return (same - 2 * between + known).sum()


class _Products(torch.autograd.Function):
    """X Xᵀ and X Yᵀ; the gradient knows that the first is symmetric."""

    @staticmethod
    def forward(ctx: Any, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(student, teacher)
        return student @ student.mT, student @ teacher.mT

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_own: Tensor, to_across: Tensor) -> tuple[Tensor, None]:
        student, teacher = ctx.saved_tensors
        with without_autocast(student):
            return ((to_own + to_own.mT) @ student).baddbmm_(to_across, teacher), None
