"""Response-based knowledge: losses on logits."""

import reference.response as derive
from cases.case import TOKENS, Case
from limbeck import losses

SOFT = {
    "zero_at_identity",
    "non_negative",
    "blind_to_a_shift_of_each_sample",
    "blind_to_the_order_of_channels",
    "mean_over_samples",
    "unchanged_when_the_batch_is_repeated",
}
"""What holds for a divergence between the two softmaxes of each row."""
REPLICABLE = SOFT | {"unchanged_when_channels_are_replicated"}
"""And whose value is the same for classes split into equal copies (T3)."""
DISTANCE = {
    "zero_at_identity",
    "non_negative",
    "symmetric",
    "blind_to_the_order_of_channels",
    "mean_over_samples",
    "unchanged_when_the_batch_is_repeated",
}
"""What holds for a squared distance of each row."""

CASES = [
    Case(losses.KD, {}, REPLICABLE, derive.kd, (4.409879072914274, 0.6736378631508517)),
    Case(losses.KD, {"temperature": 1}, REPLICABLE, derive.kd, (1.700124169657144, 0.45857181340321235)),
    Case(
        losses.KD,
        {"temperature": 2},
        REPLICABLE | {"blind_to_the_order_of_positions"},
        derive.kd_of_tokens,
        (3.949281367896651, 0.2966533471721378),
        shape=TOKENS,
        note="of tokens",
    ),
    Case(
        losses.LogitRegression,
        {},
        DISTANCE,
        derive.logit_regression,
        (26.846933809093862, 3.663804976387784),
    ),
    Case(
        losses.LogitRegression,
        {"centred": True},
        DISTANCE | {"blind_to_a_shift_of_each_sample"},
        derive.logit_regression,
        (26.13163759104824, 3.6146671764693212),
    ),
]
