"""One set of logits out of those of several models, chosen by the labels."""

import torch
import torch.nn.functional as F
from torch import Tensor

from limbeck.functional.precision import full_precision

MOST_STEPS = 200
"""Newton takes 5 to 45 in practice, logits of 10000 included."""
SHARPER = 20.0
"""By how much the barrier gives way once its optimum is reached."""


def likeliest_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """Return, for each sample, the logits of the model whose cross-entropy is smallest; of equals, the first.

    Args:
        logits: (M, N, C), of M models.
        labels: (N,) class indices.

    Returns:
        (N, C).

    Example:
        >>> two = torch.tensor([[[1.0, 0.0]], [[5.0, 0.0]]])
        >>> likeliest_logits(two, torch.tensor([0])).tolist(), likeliest_logits(two, torch.tensor([1])).tolist()
        ([[5.0, 0.0]], [[1.0, 0.0]])
    """
    best = torch.stack([F.cross_entropy(each, labels, reduction="none") for each in logits]).argmin(0)
    return logits[best, torch.arange(len(labels), device=logits.device)]


def relative_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """Return logits shifted so that the label's is 0, which leaves their softmax as it is.

    Args:
        logits: (…, N, C).
        labels: (N,) class indices.

    Returns:
        (…, N, C).

    Example:
        >>> relative_logits(torch.tensor([[1.0, 4.0]]), torch.tensor([1])).tolist()
        [[-3.0, 0.0]]
    """
    index = labels[:, None].expand(*logits.shape[:-1], 1)
    return logits - logits.gather(-1, index)


def least_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the smallest, over the models, of the logits relative to the label's.

    Its cross-entropy, log Σ_c exp of it, is at most that of the best model.

    Args:
        logits: (M, N, C), of M models.
        labels: (N,) class indices.

    Returns:
        (N, C), 0 at the label.

    Example:
        >>> two = torch.tensor([[[2.0, 1.0, 0.0]], [[3.0, 0.0, 2.0]]])
        >>> least_logits(two, torch.tensor([0])).tolist()
        [[0.0, -3.0, -2.0]]
    """
    return relative_logits(logits, labels).amin(0)


def convex_weights(logits: Tensor, labels: Tensor, tolerance: float = 1e-6) -> Tensor:
    """Return the weights w of a convex combination Σ_m w_m · logits_m whose mean cross-entropy is smallest.

    Definition:
        min_w f(w) = mean over samples of log Σ_c exp(Σ_m w_m d_m,c), w ≥ 0, Σ w = 1, where d are the logits relative
        to the label's: convex, a logarithm of a sum of exponentials of what is linear in w. Solved by Newton's method
        with a logarithmic barrier, f(w) − Σ log w_m / t under Σ w = 1, t growing. It ends when w · ∇f − min ∇f,
        which bounds the distance f(w) − f(optimum) from above, is at most ``tolerance``.

    Args:
        logits: (M, N, C), of M models.
        labels: (N,) class indices.
        tolerance: largest distance from the optimum, in nats; relative to the largest logit where that is above 1.

    Returns:
        (M,) above 0, in the logits' precision; all the same without a sample or with logits that are not finite.

    Example:
        >>> good, bad = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 3.0]])
        >>> convex_weights(torch.stack([good, bad]), torch.tensor([0])).round(decimals=3).tolist()
        [1.0, 0.0]
    """
    gaps = _exact(relative_logits(full_precision(logits), labels))
    weights = gaps.new_full((len(gaps),), 1 / len(gaps))
    if len(labels) and torch.isfinite(gaps).all():
        weights = _followed(weights, gaps, tolerance)
    return weights.to(logits.device, full_precision(logits).dtype)


def _followed(weights: Tensor, gaps: Tensor, tolerance: float) -> Tensor:
    """Follow the barrier's optimum from equal weights to the problem's."""
    tolerance *= max(1.0, float(gaps.abs().max()))
    sharpness = 1.0
    for _ in range(MOST_STEPS):
        gradient, curvature = _derivatives(weights, gaps)
        if weights @ gradient - gradient.min() <= tolerance:
            break
        step, decrement = _newton(weights, gradient, curvature, sharpness)
        if decrement < 1e-3:  # the optimum for this barrier
            sharpness *= SHARPER
            step, decrement = _newton(weights, gradient, curvature, sharpness)
        weights = _descended(weights, step, decrement, gaps, sharpness)
    return weights


def _derivatives(weights: Tensor, gaps: Tensor) -> tuple[Tensor, Tensor]:
    """Return gradient (M,) and Hessian (M, M) of the mean cross-entropy."""
    samples = gaps.shape[1]
    p = torch.einsum("m,mnc->nc", weights, gaps).softmax(-1)
    means = torch.einsum("nc,mnc->mn", p, gaps)
    spread = ((gaps - means[..., None]) * p.sqrt()).flatten(1)
    return means.mean(1), spread @ spread.T / samples


def _newton(weights: Tensor, gradient: Tensor, curvature: Tensor, sharpness: float) -> tuple[Tensor, Tensor]:
    """Return the step that keeps Σ w and half the squared Newton decrement, with each weight as its own unit."""
    slope = weights * sharpness * gradient - 1
    system = sharpness * weights[:, None] * curvature * weights + torch.eye(len(weights)).to(weights)
    solved = torch.linalg.solve(system, torch.stack([slope, weights], 1))
    step = solved[:, 1] * (weights @ solved[:, 0]) / (weights @ solved[:, 1]) - solved[:, 0]
    return weights * step, -0.5 * (slope @ step)


def _descended(weights: Tensor, step: Tensor, decrement: Tensor, gaps: Tensor, sharpness: float) -> Tensor:
    """Return the weights after as much of the step as lowers the barrier's value enough."""

    def value(at: Tensor) -> Tensor:
        cross_entropy = torch.einsum("m,mnc->nc", at, gaps).logsumexp(-1).mean()
        return sharpness * cross_entropy - at.log().sum()

    falls = step < 0
    length = min(1.0, float(0.99 * (-weights[falls] / step[falls]).min())) if falls.any() else 1.0
    before = value(weights)
    while length > 1e-12 and value(weights + length * step) > before - 0.25 * length * decrement:
        length /= 2
    moved = weights + length * step
    return moved / moved.sum()


def _exact(value: Tensor) -> Tensor:
    """Return ``value`` in float64, on the CPU where the device has none."""
    return value.detach().to("cpu" if value.device.type == "mps" else value.device, torch.float64)
