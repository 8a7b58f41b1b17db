"""What METHODS.md says must be shown of JSD beyond the laws."""

import math

import pytest
import torch

from laws.samples import pair
from limbeck import losses


def test_ends_are_forward_and_reverse_kl():
    student, teacher = pair((8, 10))
    forward, backward = losses.KD(temperature=1)(student, teacher), losses.KD(temperature=1)(teacher, student)
    assert losses.JSD(mixture=0)(student, teacher).item() == pytest.approx(forward.item(), rel=1e-5)
    assert losses.JSD(mixture=1)(student, teacher).item() == pytest.approx(backward.item(), rel=1e-5)


@pytest.mark.parametrize(("end", "away"), [(0.0, 1e-4), (1.0, -1e-4)])
def test_ends_are_the_limits_after_division(end, away):
    student, teacher = (each.double() for each in pair((8, 10)))
    mixture = end + away
    near = losses.JSD(mixture=mixture)(student, teacher).item() / (mixture * (1 - mixture))
    assert near == pytest.approx(losses.JSD(mixture=end)(student, teacher).item(), rel=1e-2)


def test_gradients_tend_to_those_of_the_ends():
    student, teacher = (each.double() for each in pair((8, 10)))
    for end, mixture in ((0.0, 1e-5), (1.0, 1 - 1e-5)):
        slopes = []
        for loss, scale in ((losses.JSD(mixture=end), 1.0), (losses.JSD(mixture=mixture), 1e5)):
            leaf = student.clone().requires_grad_()
            (scale * loss(leaf, teacher)).backward()
            slopes.append(leaf.grad)
        torch.testing.assert_close(slopes[1], slopes[0], rtol=0.05, atol=1e-4)


def test_half_is_symmetric_and_at_most_log_2():
    student, teacher = pair((8, 10))
    assert losses.JSD()(student, teacher).item() == pytest.approx(
        losses.JSD()(teacher, student).item(), rel=1e-5
    )
    assert losses.JSD()(1e3 * student, -1e3 * student).item() == pytest.approx(math.log(2), rel=1e-5)


@pytest.mark.parametrize("mixture", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_is_finite_when_both_probabilities_underflow(mixture):
    student = torch.tensor([[0.0, -900.0, -950.0]], requires_grad=True)
    value = losses.JSD(mixture=mixture)(student, torch.tensor([[0.0, -950.0, -900.0]]))
    value.backward()
    assert value.item() == pytest.approx(0.0, abs=1e-6)
    assert torch.isfinite(student.grad).all()
