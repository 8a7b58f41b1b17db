"""What METHODS.md says must be shown of KD beyond the laws."""

import math

import pytest
import torch
import torch.nn.functional as F

from laws.samples import pair, random
from limbeck import losses
from limbeck.errors import LimbeckError


def gradient(temperature, student, teacher):
    leaf = student.clone().requires_grad_()
    losses.KD(temperature=temperature)(leaf, teacher).backward()
    return leaf.grad


def test_gradient_keeps_its_size_as_the_temperature_grows():
    student, teacher = (each.double() for each in pair((8, 10)))
    ratios = [
        (gradient(2 * t, student, teacher).norm() / gradient(t, student, teacher).norm()).item()
        for t in (2.0, 8.0, 32.0, 128.0)
    ]
    away = [abs(ratio - 1) for ratio in ratios]
    assert away == sorted(away, reverse=True)
    assert away[-1] < 0.01  # without T² the ratio tends to 1/4


def test_limit_of_high_temperature_is_half_the_variance_of_the_difference():
    student, teacher = (each.double() for each in pair((8, 10)))
    half_variance = 0.5 * (student - teacher).var(dim=1, correction=0).mean()
    values = [losses.KD(temperature=t)(student, teacher) for t in (10.0, 100.0, 1000.0)]
    errors = [(value - half_variance).abs().item() for value in values]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-2 * half_variance.item()


def test_high_temperature_is_still_exact_in_single_precision():
    student, teacher = pair((8, 10))
    exact = losses.KD(temperature=100.0)(student.double(), teacher.double()).item()
    assert losses.KD(temperature=100.0)(student, teacher).item() == pytest.approx(exact, rel=5e-3)


def test_gradient_is_t_times_the_difference_of_the_softened_distributions():
    student, teacher = (each.double() for each in pair((8, 10)))
    for temperature in (1.0, 3.0):
        apart = (student / temperature).softmax(1) - (teacher / temperature).softmax(1)
        torch.testing.assert_close(gradient(temperature, student, teacher), temperature * apart / 8)


def test_differs_from_soft_cross_entropy_by_the_teachers_entropy_only():
    student, teacher = (each.double() for each in pair((8, 10)))
    soft = (teacher / 4).softmax(1)
    cross = F.cross_entropy(student / 4, soft)
    entropy = -(soft * soft.log()).sum(1).mean()
    assert losses.KD(temperature=4)(student, teacher).item() == pytest.approx(16 * (cross - entropy).item())


def test_teacher_and_student_are_not_interchanged():
    sure, unsure = torch.tensor([[4.0, 0.0]]), torch.tensor([[0.0, 0.0]])
    p = 1 / (1 + math.exp(-4))
    expected = p * math.log(2 * p) + (1 - p) * math.log(2 * (1 - p))  # the teacher is sure
    assert losses.KD(temperature=1)(unsure, sure).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("temperature", [0, -1.0, math.nan, math.inf, "4", None, True])
def test_temperature_must_be_above_zero(temperature):
    with pytest.raises(LimbeckError, match="temperature"):
        losses.KD(temperature=temperature)


def test_settings_show_in_repr():
    assert repr(losses.KD(temperature=2)) != repr(losses.KD(temperature=3))
    assert repr(losses.LogitRegression(centred=True)) != repr(losses.LogitRegression())


def test_one_sample_keeps_its_batch_axis():
    logits = random(0, (1, 3)), random(1, (1, 3))
    many = [each.expand(4, 3) for each in logits]
    assert losses.KD()(*logits).item() == pytest.approx(losses.KD()(*many).item(), rel=1e-5)
