"""How the samples of a batch relate to one another: inner products, cosines, distances."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from limbeck.functional.precision import full_precision, without_autocast

BLOCK = 2**15
"""Numbers that are copied to double precision at once."""
STRIP = 64
"""Rows of a symmetric product that are made at once; what is left of the diagonal is copied from the right."""
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
    rows = full_precision(samples)
    rows = rows.flatten(1) if rows.dim() > 1 else rows[:, None]
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
    return rows.to(_wide(rows))


def _wide(rows: Tensor) -> torch.dtype:
    return torch.float32 if rows.device.type == "mps" else torch.float64


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
    inverse: Tensor = length.masked_fill(length == 0, torch.inf).reciprocal()
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

    They come from the Gram matrix of the rows less the first one, in double precision: no (N, N, D) tensor is made,
    and neither a large common mean nor rows that are near each other cost digits of single precision. Rows nearer
    than about 2e-7 of their distances from the first count as equal, for what is left of them is rounding.

    Args:
        samples: (N, …).

    Returns:
        (N, N) in double precision (single on devices without it), zero on the diagonal.

    Example:
        >>> squared_distances(torch.tensor([[1000.0, 0.0], [1003.0, 4.0]])).tolist()
        [[0.0, 25.0], [25.0, 0.0]]
    """
    squared: Tensor = _SquaredDistances.apply(flattened(samples))
    return squared


def distances(samples: Tensor) -> Tensor:
    """Return the Euclidean distances between all samples; those of equal samples are 0 and get no gradient.

    Args:
        samples: (N, …).

    Returns:
        (N, N), the roots of :func:`squared_distances` in the samples' precision, at least single.

    Example:
        >>> distances(torch.tensor([[1000.0, 0.0], [1003.0, 4.0]])).tolist()
        [[0.0, 5.0], [5.0, 0.0]]
    """
    apart: Tensor = _Distances.apply(flattened(samples))
    return apart


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


class _SquaredDistances(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        squared = _apart(rows)
        ctx.save_for_backward(rows, squared)
        return squared

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        rows, squared = ctx.saved_tensors
        return _drawn(rows, 2 * (gradient + gradient.T).masked_fill(squared == 0, 0.0))


class _Distances(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        apart = _apart(rows).sqrt_().to(rows.dtype)
        ctx.save_for_backward(rows, apart)
        return apart

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        rows, apart = ctx.saved_tensors
        return _drawn(rows, (gradient + gradient.T) / apart.masked_fill(apart == 0, torch.inf))


def _apart(rows: Tensor) -> Tensor:
    """Return squared distances, exactly 0 between rows whose difference is rounding."""
    product = rows.new_zeros((len(rows), len(rows)), dtype=_wide(rows))
    strips = [slice(first, first + STRIP) for first in range(0, len(rows), STRIP)]
    with without_autocast(rows):
        for part in _blocks(rows):
            for strip in strips:
                product[strip, strip.start :].addmm_(part[strip], part[strip.start :].T)
    for strip in strips[:-1]:
        product[strip.stop :, strip] = product[strip, strip.stop :].T
    own = product.diagonal().clone()
    both = own[:, None] + own
    squared = product.mul_(-2).add_(both)
    return squared.masked_fill_(squared <= both.mul_(ROUNDING * torch.finfo(both.dtype).eps), 0.0)


def _drawn(rows: Tensor, slope: Tensor) -> Tensor:
    """Return Σ_j slope_ij (x_i − x_j) for every row i.

    The rows' own precision is enough here: it errs by what the last digit of the rows does, while squared distances in
    it would err by that over the distance.
    """
    weight = torch.diag(slope.sum(1)).sub_(slope).to(rows.dtype)
    with without_autocast(rows):
        return weight @ (rows - rows[0])


def _blocks(rows: Tensor) -> Iterator[Tensor]:
    """Yield some columns at a time, less the first row, in double precision: a copy of all of them would be large.

    Distances are blind to what is taken off, and equal rows are exactly equal after it, which they are not less a mean.
    """
    for part in torch.split(rows, max(64, BLOCK // len(rows)), 1):
        wide = part.to(_wide(rows), copy=True)
        yield wide.sub_(wide[0].clone())
