"""What METHODS.md says must be shown of SkewKL beyond the laws."""

import math

import pytest
import torch

from laws.samples import pair
from limbeck import losses


def test_without_skew_it_is_the_plain_kl_of_either_direction():
    student, teacher = pair((8, 10))
    for temperature in (1.0, 3.0):
        plain = losses.KD(temperature=temperature)
        forward = losses.SkewKL(skew=0.0, temperature=temperature)
        backward = losses.SkewKL(skew=0.0, reverse=True, temperature=temperature)
        assert forward(student, teacher).item() == pytest.approx(plain(student, teacher).item(), rel=1e-5)
        assert backward(student, teacher).item() == pytest.approx(plain(teacher, student).item(), rel=1e-5)


@pytest.mark.parametrize("reverse", [False, True])
def test_is_bounded_by_the_logarithm_of_the_skew(reverse):
    right = torch.tensor([[1e3, 0.0, 0.0]])
    for skew in (0.5, 0.1, 0.01):
        loss = losses.SkewKL(skew=skew, reverse=reverse)
        assert loss(right.roll(1, 1), right).item() == pytest.approx(math.log(1 / skew), rel=1e-5)


@pytest.mark.parametrize("reverse", [False, True])
def test_is_finite_when_both_probabilities_underflow(reverse):
    student = torch.tensor([[0.0, -900.0, -950.0]], requires_grad=True)
    value = losses.SkewKL(reverse=reverse)(student, torch.tensor([[0.0, -950.0, -900.0]]))
    value.backward()
    assert value.item() == pytest.approx(0.0, abs=1e-6)
    assert torch.isfinite(student.grad).all()


def test_class_that_both_rule_out_counts_nothing():
    student, teacher = pair((8, 10))
    ruled_out = torch.full((8, 1), -math.inf)
    for loss in (losses.SkewKL(), losses.SkewKL(reverse=True), losses.JSD(), losses.AlphaDivergence()):
        leaf = torch.cat([student, ruled_out], 1).requires_grad_()
        value = loss(leaf, torch.cat([teacher, ruled_out], 1))
        value.backward()
        assert value.item() == pytest.approx(loss(student, teacher).item(), rel=1e-6)
        assert torch.isfinite(leaf.grad).all()
