"""Pure maths on tensors, free of models and training."""

from limbeck.functional.divergence import entropy, soft_kl, softened
from limbeck.functional.precision import full_precision, without_autocast

__all__ = ["entropy", "full_precision", "soft_kl", "softened", "without_autocast"]
