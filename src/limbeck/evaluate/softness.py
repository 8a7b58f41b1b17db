"""What is left of a distribution over classes when a temperature softens it."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.functional.divergence import entropy, softened
from limbeck.functional.precision import full_precision


@dataclass(frozen=True)
class Softness:
    """Means over samples at one temperature.

    Args:
        temperature: T.
        entropy: in nats.
        entropy_share: of log C, which is all the entropy there can be: 0 is certain, 1 is uniform.
        effective_classes: exp(entropy), how many equally likely classes would be as uncertain.
        top: probability of the likeliest class.
        true: probability of the true class.
        largest_wrong: of what the wrong classes get together, the share of the largest of them: 1 names a single
            rival, 1 / (C - 1) tells nothing of them.
    """

    temperature: float
    entropy: float
    entropy_share: float
    effective_classes: float
    top: float
    true: float
    largest_wrong: float


def softness(logits: Tensor, targets: Tensor, temperature: float) -> Softness:
    """Describe softened distributions.

    Args:
        logits: (N, C), C of 2 or more.
        targets: (N,) int64, the true classes.
        temperature: T > 0.

    Raises:
        LimbeckError: there are no samples, or fewer than two classes.

    Example:
        >>> found = softness(torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([0]), temperature=1e6)
        >>> round(found.entropy_share, 4), round(found.effective_classes, 4), round(found.largest_wrong, 4)
        (1.0, 3.0, 0.5)
    """
    count, classes = logits.shape
    if not count or classes < 2:
        raise LimbeckError(
            f"A temperature softens the classes of samples, not {count} samples of {classes} classes."
        )
    shares = softened(logits, temperature)
    mean = float(entropy(logits, temperature).mean())
    # The true class is taken out before the softmax, not after: near certainty 1 - p would round to nothing.
    rivals = full_precision(logits).scatter(1, targets.unsqueeze(1), float("-inf"))
    return Softness(
        temperature=temperature,
        entropy=mean,
        entropy_share=mean / math.log(classes),
        effective_classes=math.exp(mean),
        top=float(shares.amax(-1).mean()),
        true=float(shares.gather(1, targets.unsqueeze(1)).mean()),
        largest_wrong=float(torch.softmax(rivals / temperature, -1).amax(-1).mean()),
    )
