"""Pure maths on tensors, free of models and training."""

from limbeck.functional.divergence import entropy, soft_kl, softened

__all__ = ["entropy", "soft_kl", "softened"]
