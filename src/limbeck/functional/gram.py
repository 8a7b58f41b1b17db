"""Distances between Gram matrices."""

from torch import Tensor


def gram_gap(one: Tensor, other: Tensor) -> Tensor:
    """Return ‖A Aᵀ − B Bᵀ‖²_F for A = ``one`` and B = ``other``.

    With D = A − B and S = A + B the difference is ½ (S Dᵀ + D Sᵀ), which is exact where A is near B. For more rows than
    columns its norm is taken from Dᵀ S, Dᵀ D and Sᵀ S, so that no matrix is larger than the shorter side squared.

    Args:
        one: (…, R, C).
        other: (…, R, C).

    Returns:
        (…).

    Example:
        >>> import torch
        >>> one, other = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 1.0]])  # 5 and 1
        >>> gram_gap(one, other).item(), gram_gap(one.mT, other.mT).item()
        (16.0, 18.0)
    """
    difference, total = one - other, one + other
    if one.shape[-2] <= one.shape[-1]:
        half = total @ difference.mT
        return (0.5 * (half + half.mT)).square().sum((-2, -1))
    cross = difference.mT @ total
    apart = (difference.mT @ difference) * (total.mT @ total)
    return 0.5 * (apart + cross * cross.mT).sum((-2, -1))
