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


def decoupled(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the log-probabilities of label and rest, and those of the other classes normalised to sum to one.

    Args:
        logits: (R, C).
        labels: (R,) int64, from 0 to C − 1.

    Returns:
        (R, 2) log p_y and log (1 − p_y), each exact however sure the prediction is; (R, C − 1) as :func:`others`.

    Example:
        >>> pair, rest = decoupled(torch.tensor([[4000.0, 0.0, 0.0]]), torch.tensor([0]))
        >>> [round(each, 4) for each in pair[0].tolist()], rest.exp().tolist()
        ([0.0, -3999.3069], [[0.5, 0.5]])
    """
    wrong = others(logits, labels)
    total = wrong.logsumexp(1, keepdim=True)
    pair = torch.cat([logits.gather(1, labels[:, None]), total], 1)
    return F.log_softmax(pair, 1), wrong - total


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
    (pair_s, rest_s), (pair_t, rest_t) = decoupled(student, labels), decoupled(teacher, labels)
    return row_kl(pair_s, pair_t), row_kl(rest_s, rest_t)
