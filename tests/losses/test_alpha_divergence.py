"""What METHODS.md says must be shown of AlphaDivergence beyond the laws."""

import math

import pytest
import torch

from laws.samples import pair
from limbeck import losses


def gradient(loss, student, teacher):
    leaf = student.clone().requires_grad_()
    loss(leaf, teacher).backward()
    return leaf.grad


@pytest.mark.parametrize("order", [-2.0, -1.0, 0.5, 1.0, 2.0])
def test_unclipped_surrogates_gradient_is_that_of_the_divergence(order):
    student, teacher = (each.double() for each in pair((3, 4)))
    slope = gradient(losses.AlphaDivergence([order], clip=None), student, teacher)
    step = 1e-6
    for row in range(3):
        for column in range(4):
            away = torch.zeros_like(student)
            away[row, column] = step
            values = [_divergence(student + sign * away, teacher, order) for sign in (1, -1)]
            assert slope[row, column].item() == pytest.approx(
                (values[0] - values[1]) / (2 * step), rel=1e-5, abs=1e-8
            )


def _divergence(student, teacher, order):
    """Return D_α as it is defined, in plain numbers."""
    total = 0.0
    for p_s, p_t in zip(student.softmax(1).tolist(), teacher.softmax(1).tolist(), strict=True):
        for s, t in zip(p_s, p_t, strict=True):
            total += t * math.log(t / s) if order == 1 else s * ((t / s) ** order - 1) / (order * (order - 1))
    return total / len(student)


def test_gradient_is_bounded_at_extreme_ratios():
    sure = 1e3 * torch.eye(4)
    for student, teacher in ((sure, sure.roll(1, 1)), (sure, torch.zeros(4, 4)), (torch.zeros(4, 4), sure)):
        slope = gradient(losses.AlphaDivergence(clip=5.0), student, teacher)
        assert slope.abs().max() * 4 <= 5.0 + 1e-5  # a mean over four rows


def test_gradient_of_the_first_order_is_not_clipped():
    student, teacher = pair((8, 10))
    slope = gradient(losses.AlphaDivergence([1.0], clip=1.5), student, 3 * teacher)
    torch.testing.assert_close(slope, gradient(losses.KD(temperature=1), student, 3 * teacher))


def test_takes_the_larger_divergence_of_each_row():
    student, teacher = pair((64, 3))
    rows = [
        [
            losses.AlphaDivergence([order])(s[None], t[None]).item()
            for s, t in zip(student, teacher, strict=True)
        ]
        for order in (-1.0, 1.0)
    ]
    larger = [max(each) for each in zip(*rows, strict=True)]
    assert losses.AlphaDivergence()(student, teacher).item() == pytest.approx(sum(larger) / 64, rel=1e-5)
    assert larger not in rows  # each of the two is the larger one somewhere


def test_order_below_zero_sees_the_doubt_that_the_first_order_overlooks():
    sure, unsure = torch.tensor([[6.0, 0.0]]), torch.tensor([[0.0, 0.0]])
    for student, teacher, larger, smaller in ((unsure, sure, -1.0, 1.0), (sure, unsure, 1.0, -1.0)):
        values = [losses.AlphaDivergence([order])(student, teacher) for order in (larger, smaller)]
        assert values[0] > values[1]
        assert torch.equal(losses.AlphaDivergence()(student, teacher), values[0])
