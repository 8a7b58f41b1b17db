"""Distances between Gram matrices."""

from torch import Tensor


def gram_gaps(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Return ‖A Aᵀ − B Bᵀ‖²_F and ‖Aᵀ A − Bᵀ B‖²_F for A = ``one`` and B = ``other``.

    With D = A − B, S = A + B and X = S Dᵀ the first difference is ½ (X + Xᵀ), and the squared norm of the second is
    ½ Σ (D Dᵀ ∘ S Sᵀ + X ∘ Xᵀ). So both come from three products, exactly where A is near B, and no matrix is larger
    than the shorter side squared.

    Args:
        one: (…, R, C).
        other: (…, R, C).

    Returns:
        Two of (…).

    Example:
        >>> import torch
        >>> one, other = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 1.0]])
        >>> [each.item() for each in gram_gaps(one, other)]  # 5 − 1 squared; 1, 2, 2 and 3 squared
        [16.0, 18.0]
    """
    if one.shape[-2] > one.shape[-1]:
        columns, rows = gram_gaps(one.mT, other.mT)
        return rows, columns
    apart, total = one - other, one + other
    crossed = total @ apart.mT
    rows = (0.5 * (crossed + crossed.mT)).square().sum((-2, -1))
    columns = 0.5 * ((apart @ apart.mT) * (total @ total.mT) + crossed * crossed.mT).sum((-2, -1))
    return rows, columns
