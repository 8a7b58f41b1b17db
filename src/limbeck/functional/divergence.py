"""Softened distributions and the divergences between them."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from limbeck.functional.precision import full_precision


def softened(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the softmax of ``logits / temperature`` (Hinton et al. 2015, equation 1).

    Args:
        logits: (…, C).
        temperature: T > 0; higher is softer.

    Returns:
        (…, C) probabilities that sum to one over the last dimension.

    Example:
        >>> softened(torch.tensor([0.0, 0.0])).tolist()
        [0.5, 0.5]
    """
    return F.softmax(_tempered(logits, temperature), dim=-1)


def entropy(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the entropy, in nats, of the softened distribution of each row.

    Args:
        logits: (…, C).
        temperature: T > 0.

    Returns:
        (…) between 0 and log C.

    Example:
        >>> round(entropy(torch.zeros(1, 2)).item(), 4)
        0.6931
    """
    log_p = F.log_softmax(_tempered(logits, temperature), dim=-1)
    return -(log_p.exp() * log_p).sum(-1)


def row_kl(log_s: Tensor, log_t: Tensor) -> Tensor:
    """Return KL(p_teacher ‖ p_student) of each row, from the logarithms of both distributions.

    A class that the teacher rules out (probability 0, as a masked class has) counts nothing, whatever the student
    gives it.

    Args:
        log_s: (…, C) log-probabilities of the student.
        log_t: (…, C) log-probabilities of the teacher.

    Returns:
        (…) in nats.

    Example:
        >>> even = torch.tensor([0.5, 0.5]).log()
        >>> round(row_kl(even, torch.tensor([1.0, 0.0]).log()).item(), 4)  # log 2
        0.6931
    """
    return _summands(log_s, log_t).sum(-1)


def soft_kl(student: Tensor, teacher: Tensor, temperature: float | Tensor = 1.0) -> Tensor:
    """Return KL(p_teacher ‖ p_student) between softened distributions, a mean over rows.

    No T² is applied here: that is a choice of the loss. Half-precision logits are lifted to float32
    first, since differences of logits near ±1e3 do not survive in them.

    Args:
        student: (…, C) logits.
        teacher: (…, C) logits.
        temperature: T > 0, applied to both sides.

    Returns:
        A scalar in nats.

    Example:
        >>> soft_kl(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 2.0]])).item()
        0.0
    """
    log_s = F.log_softmax(_tempered(student, temperature), dim=-1)
    log_t = F.log_softmax(_tempered(teacher, temperature), dim=-1)
    rows = log_s.numel() // log_s.shape[-1]
    return _total(log_s, log_t) / rows  # of all at once: rows apart are a step more


def _total(log_s: Tensor, log_t: Tensor) -> Tensor:
    if log_t.device.type == "cpu":  # where looking at the sum does not wait for the device
        total = F.kl_div(log_s, log_t, reduction="sum", log_target=True)
        if not math.isnan(total.item()):  # a class that the teacher rules out makes 0 · log 0 of it
            return total
    return _summands(log_s, log_t).sum()


def _summands(log_s: Tensor, log_t: Tensor) -> Tensor:
    gap = log_t - log_s
    if _may_rule_out(log_t):
        gap = gap.masked_fill(log_t == -torch.inf, 0.0)  # 0 · log 0
    return log_t.exp() * gap


def _may_rule_out(log_p: Tensor) -> bool:
    """Masking costs a third of the divergence, so look first where looking does not wait for the device."""
    return log_p.device.type != "cpu" or not log_p.numel() or bool(log_p.detach().amin() == -torch.inf)


def _tempered(logits: Tensor, temperature: float | Tensor) -> Tensor:
    lifted = full_precision(logits)
    return lifted if isinstance(temperature, int | float) and temperature == 1 else lifted / temperature
