"""Pure maths on tensors, free of models and training."""

from limbeck.functional.angle import angle_huber
from limbeck.functional.attention import spatial_attention
from limbeck.functional.averaging import ABSENT, log_mean
from limbeck.functional.combination import convex_weights, least_logits, likeliest_logits, relative_logits
from limbeck.functional.consensus import consensus
from limbeck.functional.correlation import pearson
from limbeck.functional.decoupling import decoupled_kl
from limbeck.functional.divergence import entropy, row_kl, soft_kl, softened
from limbeck.functional.flow import flow_gap
from limbeck.functional.fused_linear import fused_linear_kd
from limbeck.functional.gram import gram_gaps
from limbeck.functional.log_space import log_mixture, log_softened
from limbeck.functional.maps import pooled_alike
from limbeck.functional.precision import full_precision, without_autocast, without_float16
from limbeck.functional.relation import cosines, distances, gram, squared_distances
from limbeck.functional.reversal import reversed_gradient
from limbeck.functional.selectivity import squared_kernel_mmd

__all__ = [
    "ABSENT",
    "angle_huber",
    "consensus",
    "convex_weights",
    "cosines",
    "decoupled_kl",
    "distances",
    "entropy",
    "flow_gap",
    "full_precision",
    "fused_linear_kd",
    "gram",
    "gram_gaps",
    "least_logits",
    "likeliest_logits",
    "log_mean",
    "log_mixture",
    "log_softened",
    "pearson",
    "pooled_alike",
    "relative_logits",
    "reversed_gradient",
    "row_kl",
    "soft_kl",
    "softened",
    "spatial_attention",
    "squared_distances",
    "squared_kernel_mmd",
    "without_autocast",
    "without_float16",
]
