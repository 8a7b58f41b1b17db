"""Settings of a training, and the learning rate they give."""

import math

import pytest
from pydantic import ValidationError

from limbeck import Plan


def test_warmup_rises_to_the_peak_and_the_cosine_falls_to_zero():
    plan = Plan(lr=2.0, warmup=0.1)
    rates = [plan.lr_at(step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * (step + 1) for step in range(10)])
    assert max(rates) == rates[9] == 2.0
    for step in range(10, 100):
        assert rates[step] == pytest.approx(1 + math.cos(math.pi * (step - 10) / 90))
    assert rates[-1] < 0.002


def test_constant_schedule_keeps_the_peak():
    plan = Plan(lr=0.5, warmup=0.2, schedule="constant")
    assert [plan.lr_at(step, 10) for step in range(10)] == pytest.approx([0.25] + [0.5] * 9)


@pytest.mark.parametrize("warmup", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("total", [1, 2, 19])
def test_learning_rate_is_never_above_the_peak_nor_zero_at_the_start(warmup, total):
    rates = [Plan(lr=1.0, warmup=warmup).lr_at(step, total) for step in range(total)]
    assert all(0 < rate <= 1 for rate in rates)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"lr": 0},
        {"lr": float("nan")},
        {"lr": float("inf")},
        {"clip": 0},
        {"ema": 1.0},
        {"warmup": 1.5},
        {"optimizer": "adam"},
        {"precision": "fp8"},
        {"patience": 0},
        {"learning_rate": 0.1},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Plan(**wrong)


def test_a_plan_cannot_be_changed():
    with pytest.raises(ValidationError):
        Plan().lr = 1.0
