"""Distributions kept as logarithms, where nothing underflows."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from limbeck.functional.precision import full_precision

IMPOSSIBLE = -1e30
"""Stands for log 0: finite, so that 0 · log 0 is 0 and the difference of two of them is 0, not NaN."""


def log_softened(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the logarithm of the softmax of ``logits / temperature``, in float32 or better.

    Classes ruled out by a logit of −∞ get :data:`IMPOSSIBLE` and no gradient.

    Args:
        logits: (…, C).
        temperature: T > 0; higher is softer.

    Example:
        >>> log_softened(torch.tensor([3.0, -torch.inf])).tolist()
        [0.0, -1.0000000150474662e+30]
    """
    return F.log_softmax(full_precision(logits) / temperature, dim=-1).clamp_min(IMPOSSIBLE)


def log_mixture(log_p: Tensor, log_q: Tensor, share: float) -> Tensor:
    """Return log(share · p + (1 − share) · q), finite where both probabilities underflow.

    Args:
        log_p: (…, C) from :func:`log_softened`.
        log_q: (…, C) likewise.
        share: of p in the mixture, 0 to 1.

    Example:
        >>> log_mixture(torch.tensor([-500.0]), torch.tensor([-500.0]), 0.5).item()
        -500.0
    """
    if share in (0.0, 1.0):
        return log_p if share else log_q
    return torch.logaddexp(log_p + math.log(share), log_q + math.log1p(-share))
