"""What METHODS.md says must be shown of LogitStandardization beyond the laws."""

import pytest
import torch

from laws.samples import pair
from limbeck import losses


@pytest.mark.parametrize("shape", [(6, 10), (4, 3, 7)])
def test_shift_and_scale_of_either_models_logits_do_not_matter(shape):
    student, teacher = (each.double() for each in pair(shape))
    loss = losses.LogitStandardization()
    value = loss(student, teacher).item()
    for scale, shift in ((0.5, 3.0), (4.0, -20.0), (100.0, 1e3)):
        assert loss(scale * student + shift, teacher).item() == pytest.approx(value, rel=1e-5)
        assert loss(student, scale * teacher + shift).item() == pytest.approx(value, rel=1e-5)


def test_shift_and_scale_may_differ_from_sample_to_sample():
    student, teacher = (each.double() for each in pair((6, 10)))
    loss, number = losses.LogitStandardization(), torch.arange(1.0, 7.0).double()[:, None]
    changed = loss(number * student + number**2, teacher / number - number)
    assert changed.item() == pytest.approx(loss(student, teacher).item(), rel=1e-4)
    assert losses.KD()(number * student, teacher) != losses.KD()(student, teacher)


def test_is_kd_of_logits_divided_by_the_population_standard_deviation():
    student, teacher = (each.double() for each in pair((6, 10)))
    scores = [
        (each - each.mean(1, keepdim=True)) / each.std(1, correction=0, keepdim=True)
        for each in (student, teacher)
    ]
    expected = losses.KD(temperature=3)(*scores).item()
    assert losses.LogitStandardization(temperature=3)(student, teacher).item() == pytest.approx(
        expected, rel=1e-5
    )


def test_student_whose_logits_are_all_equal_gets_a_gradient_that_is_not_huge():
    student, (_, teacher) = torch.zeros(6, 10, requires_grad=True), pair((6, 10))
    losses.LogitStandardization()(student, teacher).backward()
    assert 0 < student.grad.norm() < 1e4
