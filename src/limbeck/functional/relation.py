"""How the samples of a batch relate to one another: inner products, cosines, distances."""

from typing import Any

import torch
from torch import Tensor

from limbeck.functional.precision import full_precision, without_autocast

ROUNDING = 64
"""What rounding may leave of an exact zero, in units of the precision, after a sum over a row."""


def flattened(samples: Tensor) -> Tensor:
    """Return each sample as one row, in full precision.

    Of float16 the numbers below its smallest normal one, 6e-5, become 0: relations do not depend on scale, so that
    their gradients for such rows would not fit in float16.

    Args:
        samples: (N, …).

    Returns:
        (N, D).

    Example:
        >>> flattened(torch.zeros(2, 3, 4, 4)).shape
        torch.Size([2, 48])
    """
    rows = full_precision(samples).reshape(samples.shape[0], -1)
    if samples.dtype == torch.float16:
        rows = rows.masked_fill(rows.detach().abs() < torch.finfo(torch.float16).tiny, 0.0)
    return rows


def widened(samples: Tensor) -> Tensor:
    """Return each sample as one row in double precision, for relations that are small differences of large numbers.

    Devices without double precision (Apple's) keep single precision.

    Args:
        samples: (N, …).

    Returns:
        (N, D).

    Example:
        >>> widened(torch.zeros(2, 3, dtype=torch.float16)).dtype
        torch.float64
    """
    rows = flattened(samples)
    return rows if rows.device.type == "mps" else rows.double()


def centred(values: Tensor, dim: int) -> Tensor:
    """Return the values less their mean, and exact zeros where only rounding is left.

    Equal values would otherwise keep differences of the size of rounding, which a later normalisation blows up.

    Args:
        values: any shape.
        dim: the dimension over which the mean is taken.

    Example:
        >>> centred(torch.tensor([0.1, 0.1, 0.1]), 0).tolist()
        [0.0, 0.0, 0.0]
    """
    away = values - values.mean(dim, keepdim=True)
    noise = ROUNDING * torch.finfo(values.dtype).eps * values.detach().abs().amax()
    return away.masked_fill(away.detach().abs() <= noise, 0.0)


def unit(values: Tensor, dim: int = -1) -> Tensor:
    """Scale to length one; zero vectors stay zero and get no gradient.

    Args:
        values: any shape.
        dim: the dimension that holds the vectors.

    Example:
        >>> unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    length = torch.linalg.vector_norm(values, dim=dim, keepdim=True)
    zero = length == 0
    inverse: Tensor = length.masked_fill(zero, 1.0).reciprocal().masked_fill(zero, 0.0)
    return values * inverse


def gram(rows: Tensor) -> Tensor:
    """Return the inner products of all rows, whatever autocast asks for.

    Args:
        rows: (…, N, D), not of half precision.

    Returns:
        (…, N, N), symmetric.

    Example:
        >>> gram(torch.tensor([[1.0, 0.0], [1.0, 2.0]])).tolist()
        [[1.0, 1.0], [1.0, 5.0]]
    """
    product: Tensor = _Gram.apply(rows)
    return product


def cosines(rows: Tensor) -> Tensor:
    """Return the cosines between all rows; those with a row of zeros are 0.

    Args:
        rows: (…, N, D), not of half precision.

    Returns:
        (…, N, N).

    Example:
        >>> cosines(torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])).tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    return gram(unit(rows))


def squared_distances(samples: Tensor) -> Tensor:
    """Return the squared Euclidean distances between all samples.

    They come from the Gram matrix of rows centred over the batch, in double precision: no (N, N, D) tensor is made,
    and neither a large common mean nor rows that are near each other cost digits of single precision.
    Rows nearer than about 2e-7 of their distances from the mean count as equal, for what is left of them is rounding.

    Args:
        samples: (N, …).

    Returns:
        (N, N) in double precision (single on devices without it), zero on the diagonal.

    Example:
        >>> squared_distances(torch.tensor([[1000.0, 0.0], [1003.0, 4.0]])).tolist()
        [[0.0, 25.0], [25.0, 0.0]]
    """
    product = gram(centred(widened(samples), 0))
    own = product.diagonal()
    both = own[:, None] + own
    squared = both - 2 * product
    noise = ROUNDING * torch.finfo(squared.dtype).eps * both.detach()
    return squared.masked_fill(squared.detach() <= noise, 0.0)


def distances(samples: Tensor) -> Tensor:
    """Return the Euclidean distances between all samples; those of equal samples are 0 and get no gradient.

    Args:
        samples: (N, …).

    Returns:
        (N, N), as :func:`squared_distances`.

    Example:
        >>> distances(torch.tensor([[1000.0, 0.0], [1003.0, 4.0]])).tolist()
        [[0.0, 5.0], [5.0, 0.0]]
    """
    squared = squared_distances(samples)
    equal = squared == 0
    return squared.masked_fill(equal, 1.0).sqrt().masked_fill(equal, 0.0)


def without_diagonal(square: Tensor) -> Tensor:
    """Return each row of a square matrix without its element on the diagonal.

    Args:
        square: (N, N).

    Returns:
        (N, N − 1).

    Example:
        >>> without_diagonal(torch.arange(9.0).reshape(3, 3)).tolist()
        [[1.0, 2.0], [3.0, 5.0], [6.0, 7.0]]
    """
    size = len(square)
    # laid out in one row without the first element, every (N + 1)th of the others is on the diagonal
    return square.flatten()[1:].view(size - 1, size + 1)[:, :-1].reshape(size, size - 1)


class _Gram(torch.autograd.Function):
    """X Xᵀ, whose gradient needs one matrix product instead of the two that autograd takes for X and Xᵀ apart."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        with without_autocast(rows):
            return rows @ rows.mT

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (rows,) = ctx.saved_tensors
        with without_autocast(rows):
            product: Tensor = (gradient + gradient.mT) @ rows
        return product
