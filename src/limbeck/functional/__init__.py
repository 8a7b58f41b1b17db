"""Pure maths on tensors, free of models and training."""

from limbeck.functional.angle import angle_huber
from limbeck.functional.correlation import pearson
from limbeck.functional.decoupling import decoupled_kl
from limbeck.functional.divergence import entropy, row_kl, soft_kl, softened
from limbeck.functional.fused_linear import fused_linear_kd
from limbeck.functional.gram import gram_gaps
from limbeck.functional.log_space import log_mixture, log_softened
from limbeck.functional.precision import full_precision, without_autocast, without_float16
from limbeck.functional.relation import cosines, distances, gram, squared_distances
from limbeck.functional.reversal import reversed_gradient

__all__ = [
    "angle_huber",
    "cosines",
    "decoupled_kl",
    "distances",
    "entropy",
    "full_precision",
    "fused_linear_kd",
    "gram",
    "gram_gaps",
    "log_mixture",
    "log_softened",
    "pearson",
    "reversed_gradient",
    "row_kl",
    "soft_kl",
    "softened",
    "squared_distances",
    "without_autocast",
    "without_float16",
]
