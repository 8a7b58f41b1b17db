"""Gradients turned round, for what is learnt against the student."""

from typing import Any

import torch
from torch import Tensor


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


def reversed_gradient(value: Tensor, strength: float = 1.0) -> Tensor:
    """Return ``value``, whose gradient is multiplied by −``strength`` on its way back (Ganin & Lempitsky 2015).

    An optimizer that lowers the loss then raises it by what lies before this.

    Args:
        value: any shape.
        strength: at least 0.

    Example:
        >>> x = torch.tensor(3.0, requires_grad=True)
        >>> (reversed_gradient(x, 0.5) ** 2).backward()
        >>> x.grad.item()
        -3.0
    """
    result: Tensor = _Reversal.apply(value, strength)
    return result
