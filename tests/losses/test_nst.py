"""What is special to neuron selectivity transfer beyond the laws."""

import pytest
import torch
import torch.nn.functional as F

from laws.samples import pair, random
from limbeck import losses
from limbeck.functional import squared_kernel_mmd

NARROW = (2, 9, 3, 2)  # fewer positions than channels: by moments
LARGE = (2, 3, 5, 4)  # by pairs


def as_published(student, teacher):
    """Every pair of channels beside every other, as public code has it: (N, C, C', HW)."""
    x, y = (F.normalize(each.flatten(2), dim=2) for each in (student, teacher))

    def kernel(some, others):
        return (some.unsqueeze(1) * others.unsqueeze(2)).sum(-1).square().mean()

    return kernel(x, x) + kernel(y, y) - 2 * kernel(x, y)


@pytest.mark.parametrize("shape", [NARROW, LARGE])
@pytest.mark.parametrize("channels", [3, 9])
def test_value_and_gradient_are_those_of_the_public_form(shape, channels):
    student, teacher = random(1, shape).double(), random(2, (2, channels, *shape[2:])).double()
    found, expected = student.clone().requires_grad_(), student.clone().requires_grad_()
    value, published = losses.NST()(found, teacher), as_published(expected, teacher)
    torch.testing.assert_close(value, published)
    for each in (value, published):
        each.backward()
    torch.testing.assert_close(found.grad, expected.grad)


def test_keeps_its_digits_near_the_teacher():
    teacher = random(2, NARROW)
    student = teacher + 1e-3 * random(1, NARROW)
    exact = losses.NST()(student.double(), teacher.double()).item()
    assert losses.NST()(student, teacher).item() == pytest.approx(exact, rel=1e-2)
    assert exact < 1e-6


@pytest.mark.parametrize("shape", [NARROW, LARGE])
def test_a_dead_channel_takes_no_gradient(shape):
    student, teacher = pair(shape)
    student[:, 1] = 0
    student.requires_grad_()
    losses.NST()(student, teacher).backward()
    assert student.grad[:, 1].abs().max() == 0
    assert torch.isfinite(student.grad).all()


@pytest.mark.parametrize("shape", [(2, 9, 4), (2, 3, 8)])
def test_vectors_below_the_floor_have_the_right_gradient_too(shape):
    sizes = torch.tensor([1.0, 0.1, 2.0]).repeat(3)[: shape[1]].view(1, -1, 1)
    student, teacher = (random(1, shape) * sizes).double(), random(2, shape).double()
    assert torch.autograd.gradcheck(
        lambda known: squared_kernel_mmd(known, teacher, eps=1.0), student.requires_grad_()
    )
