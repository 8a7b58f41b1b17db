"""Angles between all triplets of samples, without a tensor of all triplets."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from limbeck.functional.precision import without_autocast

CHUNK = {"cpu": 2**18}
"""Triplets held at once: on a CPU as many as stay in its cache."""
CHUNK_ELSEWHERE = 2**23
"""Where launches cost more than memory."""


def angle_huber(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean Huber distance between the cosines of all angles of two point sets.

    The cosine of the angle at j between i and k follows from squared distances,
    c_ijk = (P_ij + P_kj − P_ik) / (2 √P_ij √P_kj), and is 0 where a side has no length. The cosines of all N³ triplets
    are made for a few anchors j at a time and dropped again; the gradient is gathered in the same pass.

    Args:
        student: (N, N) squared distances, see :func:`squared_distances`.
        teacher: (N, N) squared distances; gets no gradient.

    Returns:
        A scalar, 1/N³ Σ_ijk h(c_ijk(student) − c_ijk(teacher)) with h(x) = x²/2 where |x| ≤ 1, else |x| − 1/2.

    Example:
        >>> right = torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 2.0], [1.0, 2.0, 0.0]])
        >>> angle_huber(4 * right, right).item()
        0.0
    """
    value: Tensor = _AngleHuber.apply(student, teacher.detach())
    return value


class _AngleHuber(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, student: Tensor, teacher: Tensor) -> Tensor:
        learns = ctx.needs_input_grad[0]
        with without_autocast(student):
            total, gradient = _over_anchors(student, teacher, learns)
        if learns:
            ctx.save_for_backward(gradient)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (known,) = ctx.saved_tensors
        return gradient * known, None


def _over_anchors(student: Tensor, teacher: Tensor, learns: bool) -> tuple[Tensor, Tensor]:
    """Return the mean Huber distance and its gradient for the student's squared distances."""
    total, gradient = student.new_zeros(()), torch.zeros_like(student)
    ours, theirs = _Cosines(student), _Cosines(teacher)
    for anchors in _chunks(student):
        cosines = ours.at(anchors)
        apart = cosines - theirs.at(anchors)
        slope = apart.clamp(-1, 1)  # the derivative of h, and h = slope · (apart − slope / 2)
        total += torch.dot(slope.view(-1), apart.view(-1)) - slope.square().sum() / 2
        if learns:
            ours.add_gradient(gradient, anchors, cosines, slope)
    return total / len(student) ** 3, gradient / len(student) ** 3


def _chunks(squared: Tensor) -> Iterator[slice]:
    """Cut the anchors into chunks whose (chunk, N, N) tensors are small."""
    samples = len(squared)
    step = max(1, CHUNK.get(squared.device.type, CHUNK_ELSEWHERE) // samples**2)
    return (slice(first, first + step) for first in range(0, samples, step))


class _Cosines:
    """The cosines that follow from one set of squared distances.

    With d_i = √P_ij and r_i = 1/d_i for the anchor j at hand, 2 c_ik = d_i r_k + r_i d_k − P_ik r_i r_k.
    """

    def __init__(self, squared: Tensor):
        self.squared = squared
        self.side = squared.sqrt()
        self.inverse = self.side.reciprocal().masked_fill(self.side == 0, 0.0)

    def at(self, anchors: slice) -> Tensor:
        """Return (J, N, N) cosines at J anchors."""
        d, r = self.side[anchors], self.inverse[anchors]
        opposite = (self.squared * r[:, :, None]).mul_(r[:, None, :])
        return opposite.baddbmm_(torch.stack([d, r], 2), torch.stack([r, d], 1), beta=-0.5, alpha=0.5)

    def add_gradient(self, gradient: Tensor, anchors: slice, cosines: Tensor, slope: Tensor) -> None:
        """Add what J anchors contribute to the gradient for the squared distances; overwrites the last two.

        With w_ik = slope_ik r_i r_k: −Σ_j w_ik / 2 for the opposite side P_ik, and Σ_k (w_ik − slope_ik c_ik r_i²) for
        the adjacent side P_ij, which counts as first and as second side.
        """
        r = self.inverse[anchors]
        shrinks = cosines.mul_(slope).sum(2).mul_(r.square())
        weight = slope.mul_(r[:, :, None]).mul_(r[:, None, :])
        gradient.sub_(weight.sum(0), alpha=0.5)
        gradient[anchors] += weight.sum(2) - shrinks
