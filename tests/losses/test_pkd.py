"""What is special to PKD beyond the laws."""

import pytest
import torch

from laws.samples import random
from limbeck import losses
from limbeck.errors import LimbeckError

SHAPE = (3, 4, 5, 2)


def rows(value):
    """Return one row of all values for each channel."""
    return value.transpose(0, 1).flatten(1)


def test_is_one_minus_pearsons_correlation():
    student, teacher = random(1, SHAPE).double(), random(2, SHAPE).double()
    each = [
        torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(rows(student), rows(teacher), strict=True)
    ]
    expected = 1 - torch.stack(each).mean()
    assert losses.PKD()(student, teacher).item() == pytest.approx(expected.item(), rel=1e-7)


def test_a_channel_that_is_off_costs_half_and_moves():
    teacher = random(2, (2, 1, 4, 4))
    student = torch.full_like(teacher, 7.0).requires_grad_()
    value = losses.PKD()(student, teacher)
    value.backward()
    assert value.item() == pytest.approx(0.5, rel=1e-6)
    assert torch.isfinite(student.grad).all()
    assert student.grad.abs().sum() > 0
    assert losses.PKD()(student.detach(), torch.zeros_like(teacher)).item() == 0


def test_a_far_away_mean_does_not_drown_the_pattern():
    teacher = random(2, (4, 3, 8, 8), scale=1.0)
    assert losses.PKD()(teacher + 1000, teacher).item() < 1e-6


def test_one_value_in_each_channel_is_refused():
    with pytest.raises(LimbeckError, match="one value"):
        losses.PKD()(torch.zeros(1, 4, 1, 1), torch.zeros(1, 4, 1, 1))
    losses.PKD()(torch.zeros(2, 4, 1, 1), torch.zeros(2, 4, 1, 1))
