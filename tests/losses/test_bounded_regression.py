"""What METHODS.md says must be shown of BoundedRegression beyond the laws."""

import math

import pytest
import torch
import torch.nn.functional as F

from laws.samples import random
from limbeck import losses
from limbeck.errors import LimbeckError
from limbeck.types import Context


def known(*values):
    return torch.tensor(values, requires_grad=True)


def test_is_zero_where_the_student_is_better_than_the_teacher():
    truth = random(0, (8, 2))
    teacher = truth + 1.0
    student = (truth - 0.9).requires_grad_()
    value = losses.BoundedRegression()(student, teacher, Context(targets=truth))
    value.backward()
    assert value.item() == 0.0
    assert student.grad.abs().sum() == 0


def test_counts_the_whole_error_of_the_samples_that_are_worse_and_of_no_others():
    student = known(1.0, 3.0, -2.0)
    value = losses.BoundedRegression()(
        student, torch.tensor([2.0, 2.0, 2.0]), Context(targets=torch.zeros(3))
    )
    value.backward()
    assert value.item() == pytest.approx(3.0**2 / 3)  # equally bad is not worse
    assert student.grad.tolist() == pytest.approx([0.0, 2 * 3.0 / 3, 0.0])


@pytest.mark.parametrize(("margin", "counts"), [(0.0, True), (4.9, True), (5.1, False), (-3.0, True)])
def test_margin_is_how_much_worse_the_squared_error_may_be(margin, counts):
    loss = losses.BoundedRegression(margin=margin)
    value = loss(known(3.0), torch.tensor([2.0]), Context(targets=torch.zeros(1)))
    assert value.item() == (9.0 if counts else 0.0)


def test_margin_below_zero_asks_for_more_than_the_teacher_as_the_paper_does():
    student, teacher, truth = known(0.9), torch.tensor([1.0]), Context(targets=torch.zeros(1))
    assert losses.BoundedRegression(margin=-0.1)(student, teacher, truth).item() == 0.0
    assert losses.BoundedRegression(margin=-0.3)(student, teacher, truth).item() == pytest.approx(0.81)


def test_value_form_needs_no_targets_and_is_twice_logit_regression():
    student, teacher = random(0, (6, 3)), random(1, (6, 3))
    loss = losses.BoundedRegression("value")
    assert not loss.needs
    expected = 2 * losses.LogitRegression()(student, teacher).item()
    assert loss(student, teacher).item() == pytest.approx(expected, rel=1e-6)


def test_likelihood_is_gaussian_up_to_what_the_student_cannot_change():
    student, teacher = random(0, (6,)), random(1, (6, 2)).abs() + 0.1
    mean, spread = teacher.unbind(1)
    full = F.gaussian_nll_loss(mean, student, spread.square(), full=True)
    constant = spread.log().mean() + 0.5 * math.log(2 * math.pi)
    value = losses.BoundedRegression("likelihood")(student, teacher)
    assert value.item() == pytest.approx((full - constant).item(), rel=1e-5)


def test_one_spread_for_all_weighs_the_value_form():
    student, teacher = random(0, (6, 3)), random(1, (6, 3))
    plain = losses.BoundedRegression("value")(student, teacher).item()
    value = losses.BoundedRegression("likelihood", spread=0.5)(student, teacher).item()
    assert value == pytest.approx(0.5 * plain / 0.5**2, rel=1e-6)


def test_column_meets_a_row_of_targets_sample_by_sample():
    student, teacher, truth = random(0, (6,)), random(1, (6,)), random(2, (6,))
    expected = losses.BoundedRegression()(student, teacher, Context(targets=truth))
    value = losses.BoundedRegression()(student[:, None], teacher[:, None], Context(targets=truth))
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize(
    "settings", [{"margin": 1.0, "form": "value"}, {"spread": 1.0}, {"form": "bound"}, {"form": None}]
)
def test_settings_of_another_form_are_refused(settings):
    with pytest.raises(LimbeckError, match="form"):
        losses.BoundedRegression(**settings)


def test_teacher_without_a_spread_is_refused_in_words():
    with pytest.raises(LimbeckError, match=r"mean and spread.*\(4, 1\)"):
        losses.BoundedRegression("likelihood")(torch.zeros(4, 1), torch.zeros(4, 1))
