"""Which laws hold for which loss. A new loss adds one line to the table."""

import pytest

from laws import ALWAYS, OPTIONAL
from limbeck import losses

LOGITS = (6, 10)
TOKENS = (4, 3, 7)
SOFT = {
    "zero_at_identity",
    "non_negative",
    "blind_to_a_shift_of_each_sample",
    "blind_to_the_order_of_classes",
    "mean_over_samples",
    "unchanged_when_the_batch_is_repeated",
    "unchanged_when_classes_are_replicated",
}
DISTANCE = {
    "zero_at_identity",
    "non_negative",
    "symmetric",
    "blind_to_the_order_of_classes",
    "mean_over_samples",
    "unchanged_when_the_batch_is_repeated",
}

TABLE = {
    "KD": (losses.KD(temperature=3), LOGITS, SOFT),
    "KD of tokens": (losses.KD(temperature=1), TOKENS, SOFT),
    "LogitRegression": (losses.LogitRegression(), LOGITS, DISTANCE),
    "LogitRegression centred": (
        losses.LogitRegression(centred=True),
        LOGITS,
        DISTANCE | {"blind_to_a_shift_of_each_sample"},
    ),
}


def test_every_loss_has_a_line():
    assert {type(loss).__name__ for loss, _, _ in TABLE.values()} == set(losses.__all__) - {
        "DistillationLoss"
    }
    assert all(declared <= set(OPTIONAL) for _, _, declared in TABLE.values())


@pytest.mark.parametrize("law", ALWAYS)
@pytest.mark.parametrize("name", TABLE)
def test_law_of_every_loss(name, law):
    loss, shape, _ = TABLE[name]
    ALWAYS[law](loss, shape)


@pytest.mark.parametrize("law", OPTIONAL)
@pytest.mark.parametrize("name", TABLE)
def test_law_holds_where_it_is_declared_and_nowhere_else(name, law):
    loss, shape, declared = TABLE[name]
    if law in declared:
        OPTIONAL[law](loss, shape)
    else:
        with pytest.raises(AssertionError):
            OPTIONAL[law](loss, shape)
