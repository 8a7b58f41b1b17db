"""What is special to variational information distillation beyond the laws."""

import math

import pytest
import torch

from laws.samples import pair
from limbeck import losses
from limbeck.errors import LimbeckError

SHAPE = (6, 3, 4, 2)


def test_is_the_likelihood_of_a_gaussian_up_to_its_constant():
    student, teacher = pair(SHAPE)
    loss = losses.VID(teacher_channels=3, variance=2.0)
    gaussian = torch.distributions.Normal(student, math.sqrt(2.0))
    expected = -gaussian.log_prob(teacher).mean() - 0.5 * math.log(2 * math.pi)
    torch.testing.assert_close(loss(student, teacher), expected)


def test_variance_starts_where_it_is_told():
    for variance in (2e-5, 0.1, 5.0, 1e3):
        loss = losses.VID(teacher_channels=2, variance=variance)
        assert loss.variance.tolist() == pytest.approx([variance] * 2, rel=1e-4)


def test_variance_learns_what_each_channel_cannot_predict():
    """PITFALLS 13: in public code it never reached the optimizer."""
    student, teacher = pair(SHAPE)
    student[:, 0] = teacher[:, 0] + 0.1
    loss = losses.VID(teacher_channels=3)
    assert [name for name, _ in loss.named_parameters()] == list(loss.state_dict()) == ["rho"]
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.2)
    for _ in range(300):
        optimizer.zero_grad()
        loss(student, teacher).backward()
        optimizer.step()
    errors = (student - teacher).square().mean((0, 2, 3))
    torch.testing.assert_close(loss.variance.detach(), errors, rtol=0.05, atol=1e-3)


def test_an_unpredictable_channel_pulls_less():
    student, teacher = pair(SHAPE)
    loss = losses.VID(teacher_channels=3)
    with torch.no_grad():
        loss.rho.copy_(torch.tensor([-2.0, 1.0, 9.0]))
    student.requires_grad_()
    loss(student, teacher).backward()
    pull = student.grad.abs().mean((0, 2, 3)) / (student.detach() - teacher).abs().mean((0, 2, 3))
    torch.testing.assert_close(pull * student.numel(), 1 / loss.variance.detach())


def test_refuses_other_channels_and_a_start_below_the_floor():
    with pytest.raises(LimbeckError, match="teacher_channels"):
        losses.VID(teacher_channels=4)(*pair(SHAPE))
    with pytest.raises(LimbeckError, match="variance"):
        losses.VID(teacher_channels=4, variance=1e-6)
