"""Noise-contrastive estimation of anchors against a memory of many rows."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from limbeck.functional.precision import without_autocast

HELD = 2**22
"""Most numbers that any of the tensors inside may hold at a time: 16 MiB."""
DENSE = 32
"""Up to so many memory rows for each draw, one product with all rows is cheaper than gathering the drawn ones."""


def noise_contrastive(
    anchors: Tensor, memory: Tensor, positives: Tensor, negatives: Tensor, offsets: Tensor, temperature: float
) -> Tensor:
    """Return how badly anchors tell their own row of a memory from others, a mean over anchors.

    With u = ⟨anchor, row⟩ / temperature it is softplus(offset − u) for the anchor's own row plus the sum over the
    others of softplus(u − offset). Neither the drawn rows nor the scores are kept for the backward pass: the
    gradient is gathered on the way, so that the memory may change before it. It cannot be differentiated twice.

    Args:
        anchors: (N, D), float32 or float64.
        memory: (S, D); takes no gradient.
        positives: (N,) int64, each anchor's own row.
        negatives: (N, K) int64, rows drawn for each anchor; or (N, S) bool, rows that an anchor leaves out, all
            others being taken once.
        offsets: (N,).
        temperature: above 0.

    Returns:
        A scalar.

    Example:
        >>> memory = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> own, others = torch.tensor([0]), torch.tensor([[1]])
        >>> round(noise_contrastive(memory[:1], memory, own, others, torch.zeros(1), 1.0).item(), 4)
        1.0064
    """
    value: Tensor = _NoiseContrastive.apply(anchors, memory, positives, negatives, offsets, temperature)
    return value


def log_sum_exp(
    anchors: Tensor, memory: Tensor, positives: Tensor, negatives: Tensor, temperature: float
) -> Tensor:
    """Return the logarithms of the sum of exp(u), over every anchor's own row and its others, and of their number.

    Args:
        anchors: (N, D).
        memory: (S, D).
        positives: (N,) int64.
        negatives: (N, K) int64 or (N, S) bool, as in :func:`noise_contrastive`.
        temperature: above 0.

    Returns:
        (2,) without gradient.

    Example:
        >>> memory = torch.tensor([[1.0], [1.0]])
        >>> total, number = log_sum_exp(memory[:1], memory, torch.tensor([0]), torch.tensor([[1]]), 0.5)
        >>> round((total - number).item(), 4), round(number.exp().item(), 4)
        (2.0, 2.0)
    """
    with torch.no_grad(), without_autocast(anchors):
        scaled = anchors / temperature
        parts = [(scaled * memory[positives]).sum(1).logsumexp(0)]
        number = torch.tensor(len(anchors), device=anchors.device)
        for rows in _chunks(memory, negatives):
            scores, _ = _compared(scaled[rows], memory, negatives[rows])
            parts.append(scores.flatten().logsumexp(0))
            number += scores.isfinite().sum()
        return torch.stack([torch.stack(parts).logsumexp(0), number.to(scaled).log()])


class _NoiseContrastive(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        anchors: Tensor,
        memory: Tensor,
        positives: Tensor,
        negatives: Tensor,
        offsets: Tensor,
        temperature: float,
    ) -> Tensor:
        with without_autocast(anchors):
            scaled = anchors / temperature
            own = memory[positives]
            surprise = offsets - (scaled * own).sum(1)
            total = F.softplus(surprise).sum()
            gradient = -surprise.sigmoid()[:, None] * own
            for rows in _chunks(memory, negatives):
                scores, gathered = _compared(scaled[rows], memory, negatives[rows])
                scores -= offsets[rows, None]
                total += F.softplus(scores).sum()
                if ctx.needs_input_grad[0]:
                    gradient[rows] += gathered(scores.sigmoid_())
            ctx.save_for_backward(gradient.div_(temperature * len(anchors)))
            return total / len(anchors)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return above * gradient, None, None, None, None, None


def _chunks(memory: Tensor, negatives: Tensor) -> Iterator[slice]:
    """Yield slices of anchors, so many at a time that nothing larger than ``HELD`` arises."""
    held = len(memory) if _dense(memory, negatives) else negatives.shape[1] * memory.shape[1]
    step = max(1, HELD // held)
    for start in range(0, len(negatives), step):
        yield slice(start, start + step)


def _dense(memory: Tensor, negatives: Tensor) -> bool:
    return negatives.dtype == torch.bool or len(memory) <= DENSE * negatives.shape[1]


def _compared(
    anchors: Tensor, memory: Tensor, negatives: Tensor
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Return the scores (N, K) of anchors and their others, and what sums the others' rows by weights (N, K)."""
    if not _dense(memory, negatives):
        rows = memory[negatives]
        return (rows @ anchors[:, :, None]).squeeze(2), lambda weights: (weights[:, None] @ rows).squeeze(1)
    scores = anchors @ memory.T
    if negatives.dtype == torch.bool:
        return scores.masked_fill_(negatives, -torch.inf), lambda weights: weights @ memory
    taken = scores.gather(1, negatives)
    return taken, lambda weights: scores.zero_().scatter_add_(1, negatives, weights) @ memory
