"""Where a network is active."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def spatial_attention(features: Tensor, power: float = 2.0) -> Tensor:
    """Return how active each position is: mean_c |F|^p (Zagoruyko & Komodakis 2016, section 3.1).

    Nothing as large as the features is kept for the gradient, and only the gradient itself is made.

    Args:
        features: (N, C, H, W).
        power: p of at least 1.

    Returns:
        (N, H, W).

    Example:
        >>> spatial_attention(torch.tensor([[[[1.0, -3.0]], [[1.0, 0.0]]]])).tolist()
        [[[1.0, 4.5]]]
    """
    attention: Tensor = _SpatialAttention.apply(features, power)
    return attention


class _SpatialAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, power: float) -> Tensor:
        ctx.save_for_backward(features)
        ctx.power = power
        return (features.square() if power == 2 else features.abs().pow_(power)).mean(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (features,) = ctx.saved_tensors
        slope = (gradient * (ctx.power / features.shape[1])).unsqueeze(1)
        if ctx.power == 2:
            return features * slope, None
        return features.abs().pow_(ctx.power - 1).mul_(features.sign()).mul_(slope), None
