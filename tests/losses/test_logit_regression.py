"""What METHODS.md says must be shown of LogitRegression beyond the laws."""

import pytest
import torch

from laws.samples import pair, random
from limbeck import losses
from limbeck.errors import LimbeckError


def test_centred_is_c_times_the_limit_of_kd():
    for classes in (2, 10, 50):
        student, teacher = (each.double() for each in pair((8, classes)))
        limit = losses.KD(temperature=1e4)(student, teacher).item()
        assert losses.LogitRegression(centred=True)(student, teacher).item() == pytest.approx(
            classes * limit, rel=2e-3
        )


def test_centred_gradient_is_c_times_that_of_the_limit():
    gradients = []
    for loss in (losses.LogitRegression(centred=True), losses.KD(temperature=1e4)):
        student, teacher = (each.double() for each in pair((8, 10)))
        loss(student.requires_grad_(), teacher).backward()
        gradients.append(student.grad)
    torch.testing.assert_close(gradients[0], 10 * gradients[1], rtol=1e-2, atol=1e-4)


def test_centring_leaves_out_what_the_softmax_ignores_and_nothing_else():
    student, teacher = pair((8, 10))
    shift = random(3, (8, 1))
    plain, centred = losses.LogitRegression(), losses.LogitRegression(centred=True)
    assert centred(student + shift, teacher).item() == pytest.approx(
        centred(student, teacher).item(), rel=1e-4
    )
    assert plain(teacher + shift, teacher).item() == pytest.approx(5 * (shift**2).mean().item(), rel=1e-4)


def test_regression_values_may_lack_a_class_axis():
    student, teacher = random(0, (6,)), random(1, (6,))
    expected = 0.5 * (student - teacher).square().mean().item()
    assert losses.LogitRegression()(student, teacher).item() == pytest.approx(expected, rel=1e-5)
    assert losses.LogitRegression()(student[:, None], teacher[:, None]).item() == pytest.approx(
        expected, rel=1e-5
    )


def test_column_is_not_broadcast_against_a_row():
    with pytest.raises(LimbeckError):
        losses.LogitRegression()(random(0, (6, 1)), random(1, (6,)))
