"""What is special to VkD beyond the laws."""

import pytest
import torch

from laws.samples import random
from limbeck import losses
from limbeck.adapters.orthogonal import Orthogonal


def test_target_is_blind_to_the_teachers_shift_and_scale_but_not_to_the_students():
    student, teacher = random(1, (6, 8)).double(), random(2, (6, 8)).double()
    shifts, scales = random(3, (6, 1)), random(4, (6, 1)).exp()
    value = losses.VkD()(student, teacher).item()
    assert losses.VkD()(student, teacher * scales + shifts).item() == pytest.approx(value, rel=1e-3)
    assert losses.VkD()(student * 2, teacher).item() != pytest.approx(value, rel=0.1)


def test_maps_are_tokens_in_another_layout():
    student, teacher = random(1, (2, 5, 4, 3)), random(2, (2, 5, 4, 3))
    tokens = [each.flatten(2).mT for each in (student, teacher)]
    torch.testing.assert_close(losses.VkD()(student, teacher), losses.VkD()(*tokens))


def test_teacher_without_spread_gives_a_target_of_zero():
    student = random(1, (4, 5))
    assert losses.VkD()(student, torch.full((4, 5), 3.0)).item() == pytest.approx(
        student.square().mean().item(), rel=1e-5
    )


def test_with_its_projection_the_student_must_do_the_learning():
    torch.manual_seed(0)
    teacher = random(2, (6, 5))
    student = random(1, (6, 3)).requires_grad_()
    projection = Orthogonal(3, 5)
    optimizer = torch.optim.SGD([student, *projection.parameters()], 0.5)
    values = []
    for _ in range(60):
        optimizer.zero_grad()
        value = losses.VkD()(projection(student), teacher)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.5 * values[0]
    weight = projection.weight
    torch.testing.assert_close(weight.T @ weight, torch.eye(3), atol=1e-5, rtol=0)
