"""What METHODS.md says must be shown of AnnealingKD beyond the laws."""

import pytest
import torch

from laws.samples import pair
from limbeck import losses
from limbeck.types import Context, Progress


def at(step, steps=100):
    return Context(progress=Progress(step=step, total_steps=steps))


def test_is_logit_regression_once_phi_is_one():
    student, teacher = pair((8, 10))
    expected = losses.LogitRegression()(student, teacher)
    for context in (None, Context(), at(90), at(100)):
        assert torch.equal(losses.AnnealingKD(steps_of_temperature=10)(student, teacher, context), expected)
    assert torch.equal(losses.AnnealingKD(steps_of_temperature=1)(student, teacher, at(0)), expected)


def test_phi_rises_by_one_stair_at_the_set_steps():
    loss = losses.AnnealingKD(steps_of_temperature=4)
    rises = [step for step in range(1, 101) if loss.phi(at(step).progress) > loss.phi(at(step - 1).progress)]
    assert rises == [25, 50, 75]
    assert [loss.phi(at(step).progress) for step in (0, 25, 50, 75, 100)] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_no_stair_is_missed_by_rounding():
    loss = losses.AnnealingKD(steps_of_temperature=100)
    assert [loss.phi(at(step).progress) for step in range(100)] == [(step + 1) / 100 for step in range(100)]


def test_asks_for_the_papers_shrunken_logits_at_every_temperature():
    student, teacher = pair((8, 10))
    loss = losses.AnnealingKD(steps_of_temperature=10)
    for temperature, step in ((10, 0), (4, 60), (1, 95)):
        shrunken = (1 - (temperature - 1) / 10) * teacher  # as the paper writes it
        expected = losses.LogitRegression()(student, shrunken).item()
        assert loss(student, teacher, at(step)).item() == pytest.approx(expected, rel=1e-5)


def test_more_steps_than_planned_keep_the_last_stair():
    assert losses.AnnealingKD().phi(Progress(step=500, total_steps=100)) == 1.0
