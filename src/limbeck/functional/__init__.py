"""Pure maths on tensors, free of models and training."""

from limbeck.functional.angle import angle_huber
from limbeck.functional.divergence import entropy, row_kl, soft_kl, softened
from limbeck.functional.precision import full_precision, without_autocast
from limbeck.functional.relation import cosines, distances, gram, squared_distances

__all__ = [
    "angle_huber",
    "cosines",
    "distances",
    "entropy",
    "full_precision",
    "gram",
    "row_kl",
    "soft_kl",
    "softened",
    "squared_distances",
    "without_autocast",
]
