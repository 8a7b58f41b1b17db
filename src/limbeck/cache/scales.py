"""Short floating-point numbers: the steps and statistics of a record, each in a byte."""

from functools import lru_cache

import torch
from torch import Tensor

from limbeck.errors import LimbeckError

LEAST_EXPONENT = -19
"""Of the smallest step, 1.9e-6: below the rounding of any logit that a network computes."""


@lru_cache
def _steps(device: torch.device) -> Tensor:
    codes = range(256)
    return torch.tensor(
        [(8 + code % 8) / 8 * 2.0 ** (code // 8 + LEAST_EXPONENT) for code in codes], device=device
    )


@lru_cache
def _spans(device: torch.device) -> Tensor:
    whole = [*range(32), *((32 + code % 32) << (code // 32 - 1) for code in range(32, 256))]
    return torch.tensor(whole, dtype=torch.float32, device=device)


MOST_STEP = 15 / 8 * 2.0 ** (31 + LEAST_EXPONENT)
"""The largest step, 7,680."""
MOST_SPAN = 63 << 6
"""The largest number that :func:`span_codes` writes, 4,032."""


def step_codes(least: Tensor, layout: str) -> Tensor:
    """Return the codes of the smallest steps that are no smaller than wanted.

    Definition:
        The step of code c is (8 + c mod 8) / 8 · 2^(⌊c / 8⌋ − 19): from 1.9e-6 to 7,680, each at most an eighth above
        the one before. A step has four significant bits, so that its product with a whole number of up to 20 bits is
        exact in float32, on every machine.

    Args:
        least: (…) the smallest step that will do, at least 0.
        layout: name of the layout, for the message.

    Returns:
        (…) int64, 0 to 255.

    Raises:
        LimbeckError: a step above the largest is wanted.

    Example:
        >>> steps_of(step_codes(torch.tensor([0.0, 1.0, 1.01]), "Dense8")).tolist()
        [1.9073486328125e-06, 1.0, 1.125]
    """
    codes = torch.searchsorted(_steps(least.device), least.contiguous())
    if codes.numel() and int(codes.max()) > 255:
        raise LimbeckError(
            f"The teacher's outputs are too large for {layout}: they differ by more than a step of {MOST_STEP:,.0f} "
            "can tell. Keep them with the layout Exact."
        )
    return codes


def steps_of(codes: Tensor) -> Tensor:
    """Return the steps of codes.

    Args:
        codes: (…) whole numbers from 0 to 255.

    Returns:
        (…) float32.

    Example:
        >>> steps_of(torch.tensor([152])).tolist()
        [1.0]
    """
    return _steps(codes.device)[codes.int()]


def span_codes(spans: Tensor) -> Tensor:
    """Return the codes of the numbers nearest to those given; what is beyond the largest becomes that.

    Definition:
        The number of code c is c below 32, and (32 + c mod 32) · 2^(⌊c / 32⌋ − 1) from there: whole numbers from 0 to
        4,032, those up to 64 exact, the others within 1.6 %.

    Args:
        spans: (…) numbers of at least 0.

    Returns:
        (…) int64, 0 to 255.

    Example:
        >>> spans_of(span_codes(torch.tensor([0.4, 31.6, 1000.0, 5000.0]))).tolist()
        [0.0, 32.0, 992.0, 4032.0]
    """
    table = _spans(spans.device)
    return torch.searchsorted((table[1:] + table[:-1]) / 2, spans.contiguous())


def spans_of(codes: Tensor) -> Tensor:
    """Return the numbers of codes.

    Args:
        codes: (…) whole numbers from 0 to 255.

    Returns:
        (…) float32.

    Example:
        >>> spans_of(torch.tensor([5, 255])).tolist()
        [5.0, 4032.0]
    """
    return _spans(codes.device)[codes.int()]
