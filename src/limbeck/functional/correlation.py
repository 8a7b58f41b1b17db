"""Pearson's correlation, defined and differentiable where there is nothing to correlate."""

import math

import torch
from torch import Tensor


def pearson(one: Tensor, other: Tensor, dim: int = -1, eps: float = 0.0) -> Tensor:
    """Return Pearson's correlation of two tensors along a dimension: the cosine of what is left without the mean.

    Where one of them varies by no more than rounding leaves, the correlation is 0, with a gradient of 0: dividing by
    that would give noise of any size.

    Args:
        one: any shape.
        other: the same shape.
        dim: along which values correlate.
        eps: added to the product of the two norms, at least 0.

    Returns:
        The shape without ``dim``, from −1 to 1; towards 0 where the product of the norms is below 1e-38.

    Example:
        >>> x = torch.tensor([[1.0, 2.0, 4.0], [3.0, 3.0, 3.0]])
        >>> [round(each, 4) for each in pearson(2 * x + 1, x).tolist()]
        [1.0, 0.0]
    """
    one, norm_one, flat_one = _centred(one, dim)
    other, norm_other, flat_other = _centred(other, dim)
    covariance = (one * other.masked_fill(flat_one | flat_other, 0.0)).sum(dim)
    return covariance / (norm_one * norm_other + (eps + torch.finfo(one.dtype).tiny))


def _centred(values: Tensor, dim: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the values less their mean, the norm of that, and whether it is no more than rounding leaves."""
    mean = values.mean(dim, keepdim=True)
    centred = values - mean
    norm = torch.linalg.vector_norm(centred, dim=dim)  # that of zeros has a gradient of 0
    rounding = math.sqrt(values.shape[dim]) * 16 * torch.finfo(values.dtype).eps
    return centred, norm, norm.detach().unsqueeze(dim) <= rounding * mean.detach().abs()
