"""Pure maths on tensors, free of models and training."""

from limbeck.functional.divergence import entropy, row_kl, soft_kl, softened
from limbeck.functional.precision import full_precision, without_autocast

__all__ = ["entropy", "full_precision", "row_kl", "soft_kl", "softened", "without_autocast"]
