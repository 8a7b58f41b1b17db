"""The mean of several models' probabilities, kept as a logarithm."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from limbeck.functional.precision import full_precision

ABSENT = -3e4
"""Stands for the logarithm of a probability of 0 among logits: finite, within float16, and 0 after a softmax in float32
at any temperature up to 100, where e^-300 underflows."""


def log_mean(logits: Sequence[Tensor], weights: Tensor | None = None) -> Tensor:
    """Return log Σ_k w_k · softmax(z_k), never below :data:`ABSENT`; the weights are made to sum to one.

    The probabilities are those at T = 1. One model alone gives back its own logits, to the bit.

    Args:
        logits: of each model (…, C); a class ruled out by −∞ has probability 0.
        weights: (K,) of each model, or (K, …) of each model for each row, at least 0 and not all 0; equal unless given.

    Example:
        >>> sure, unsure = torch.tensor([200.0, 0.0]), torch.tensor([0.0, 0.0])
        >>> log_mean([sure, unsure]).exp().tolist()
        [0.75, 0.25]
    """
    if len(logits) == 1:
        return logits[0]
    stacked = torch.stack([F.log_softmax(full_precision(each), dim=-1) for each in logits])
    if weights is None:
        weights = stacked.new_ones(len(stacked))
    shares = (weights / weights.sum(0)).log()
    shares = shares.reshape(shares.shape + (1,) * (stacked.dim() - shares.dim()))
    return (stacked + shares).logsumexp(0).clamp_min(ABSENT)
