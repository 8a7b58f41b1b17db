"""Feature maps of different sizes."""

import torch.nn.functional as F
from torch import Tensor


def pooled_alike(one: Tensor, other: Tensor, largest: bool = False) -> tuple[Tensor, Tensor]:
    """Return two maps at the smaller of their heights and the smaller of their widths.

    A map that has that size already is returned as it is. Heights or widths that do not divide one another are
    pooled over windows that overlap (adaptive pooling).

    Args:
        one: (N, C, H, W), or (N, H, W).
        other: (N, C', H', W'), or (N, H', W').
        largest: keep the largest value of each window instead of the mean.

    Returns:
        Both, (…, min(H, H'), min(W, W')).

    Example:
        >>> import torch
        >>> [tuple(each.shape) for each in pooled_alike(torch.zeros(1, 8, 4, 2), torch.zeros(1, 16, 2, 4))]
        [(1, 8, 2, 2), (1, 16, 2, 2)]
    """
    size = (min(one.shape[-2], other.shape[-2]), min(one.shape[-1], other.shape[-1]))
    pool = F.adaptive_max_pool2d if largest else F.adaptive_avg_pool2d
    one, other = (each if each.shape[-2:] == size else pool(each, size) for each in (one, other))
    return one, other
