"""Predictions taken apart: the label against the rest, and the rest among themselves."""

import torch
import torch.nn.functional as F
from torch import Tensor

from limbeck.functional.divergence import row_kl


def others(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the logits of all classes but the label, in an order that depends on the label alone.

    Class 0 takes the place of the label and the first column is dropped: no mask, and no logit that stands for minus
    infinity.

    Args:
        logits: (R, C).
        labels: (R,) int64, from 0 to C − 1.

    Returns:
        (R, C − 1).

    Example:
        >>> others(torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]), torch.tensor([0, 2])).tolist()
        [[2.0, 3.0], [2.0, 1.0]]
    """
    return logits.scatter(1, labels[:, None], logits[:, :1])[:, 1:]


def log_odds(logits: Tensor, labels: Tensor) -> Tensor:
    """Return log p_y / (1 − p_y): the label's logit less the log-sum-exp of the others.

    From it follow log p_y = logsigmoid(o) and log (1 − p_y) = logsigmoid(−o), exact however sure the prediction is,
    where the logarithm of a softmax rounds to 0 or minus infinity.

    Args:
        logits: (R, C).
        labels: (R,) int64, from 0 to C − 1.

    Returns:
        (R,).

    Example:
        >>> round(log_odds(torch.tensor([[4000.0, 0.0, 0.0]]), torch.tensor([0])).item(), 4)
        3999.3069
    """
    return logits.gather(1, labels[:, None]).squeeze(1) - others(logits, labels).logsumexp(1)


def decoupled_kl(student: Tensor, teacher: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return KL(p_teacher ‖ p_student) of label against rest, and of the other classes among themselves.

    The KL of the whole is the first plus 1 − p_y of the teacher times the second (Zhao et al. 2022, equation 7).

    Args:
        student: (R, C) logits, divided by the temperature.
        teacher: (R, C) logits, divided by the temperature.
        labels: (R,) int64, from 0 to C − 1.

    Returns:
        Two of (R,), in nats.

    Example:
        >>> sure, unsure = torch.tensor([[4000.0, 0.0]]), torch.tensor([[0.0, 0.0]])
        >>> [each.item() for each in decoupled_kl(sure, unsure, torch.tensor([0]))]
        [1999.306884765625, 0.0]
    """
    (pair_s, rest_s), (pair_t, rest_t) = _decoupled(student, labels), _decoupled(teacher, labels)
    return row_kl(pair_s, pair_t), row_kl(rest_s, rest_t)


def _decoupled(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return (R, 2) log-probabilities of label and rest, and (R, C − 1) of the rest normalised."""
    wrong = others(logits, labels)
    total = wrong.logsumexp(1, keepdim=True)
    odds = logits.gather(1, labels[:, None]) - total
    return F.logsigmoid(torch.cat([odds, -odds], 1)), wrong - total
