"""What METHODS.md says must be shown of WSLD beyond the laws."""

import pytest
import torch

from laws.samples import pair
from limbeck import losses
from limbeck.types import Context


def weight(student, teacher):
    """Weight of one row of two classes whose label is 0, given the log-odds of either side."""
    rows = [torch.tensor([[odds, 0.0]]) for odds in (student, teacher)]
    return losses.WSLD.weights(*rows, torch.tensor([0])).item()


def test_weight_is_below_one_and_rises_with_the_students_hard_loss():
    weights = [weight(odds, 1.0) for odds in (5.0, 3.0, 1.0, 0.0, -1.0)]
    assert weights == sorted(weights)
    assert 0 < weights[0] < weights[-1] < 1
    assert weights[2] == pytest.approx(
        1 - torch.exp(torch.tensor(-1.0)).item(), rel=1e-5
    )  # equal hard losses


@pytest.mark.parametrize("student", [-4000.0, -3.0, 0.0, 30.0, 4000.0])
@pytest.mark.parametrize("teacher", [-4000.0, 30.0, 4000.0])
def test_weight_is_finite_where_the_teachers_hard_loss_vanishes(student, teacher):
    assert 0 <= weight(student, teacher) <= 1
    assert weight(4000.0, teacher) == 0


def test_hard_losses_are_exact_where_a_softmax_rounds_to_one():
    exact = losses.WSLD.weights(*(torch.tensor([[o, 0.0]]).double() for o in (17.5, 16.0)), torch.tensor([0]))
    assert weight(17.5, 16.0) == pytest.approx(exact.item(), rel=1e-5)


def test_is_kd_of_rows_weighted_one_by_one_and_no_gradient_passes_through_the_weight():
    student, teacher = (each.double() for each in pair((6, 10)))
    labels = torch.tensor([0, 3, 9, 3, 5, 1])
    known, leaf = student.clone().requires_grad_(), student.clone().requires_grad_()
    value = losses.WSLD(temperature=2)(known, teacher, Context(targets=labels))
    weights = losses.WSLD.weights(student, teacher, labels)
    kd = losses.KD(temperature=2)
    expected = sum(w * kd(leaf[[i]], teacher[[i]]) for i, w in enumerate(weights)) / 6
    torch.testing.assert_close(value, expected)
    value.backward()
    expected.backward()
    torch.testing.assert_close(known.grad, leaf.grad)
