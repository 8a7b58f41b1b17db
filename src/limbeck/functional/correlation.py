"""Pearson's correlation, defined and differentiable where there is nothing to correlate."""

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
        eps: added to the product of the two norms; at least 0.

    Returns:
        The shape without ``dim``, from −1 to 1.

    Example:
        >>> x = torch.tensor([[1.0, 2.0, 4.0], [3.0, 3.0, 3.0]])
        >>> [round(each, 4) for each in pearson(2 * x + 1, x).tolist()]
        [1.0, 0.0]
    """
    one, norm_one, flat_one = _centred(one, dim)
    other, norm_other, flat_other = _centred(other, dim)
    least = torch.finfo(one.dtype).tiny  # 0 / 0 has a gradient of NaN even where it is masked
    cosine = (one * other).sum(dim, keepdim=True) / (norm_one * norm_other + max(eps, least))
    return cosine.masked_fill(flat_one | flat_other, 0.0).squeeze(dim)


def _centred(values: Tensor, dim: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the values less their mean, the norm of that, and whether it is no more than rounding leaves."""
    mean = values.mean(dim, keepdim=True)
    centred = values - mean
    norm = torch.linalg.vector_norm(centred, dim=dim, keepdim=True)
    rounding = 16 * torch.finfo(values.dtype).eps * values.shape[dim] ** 0.5
    return centred, norm, norm.detach() <= rounding * mean.detach().abs()
