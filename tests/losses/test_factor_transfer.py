"""What is special to factor transfer beyond the laws."""

import pytest
import torch

from laws.samples import random
from limbeck import losses
from limbeck.errors import LimbeckError


def made(**settings):
    torch.manual_seed(0)
    return losses.FactorTransfer(student_channels=3, teacher_channels=4, **settings)


def learns(module):
    return {name for name, each in module.named_parameters() if each.grad is not None}


STUDENT, TEACHER = random(1, (2, 3, 4, 6)), random(2, (2, 4, 4, 6))


def test_paraphraser_takes_no_gradient_from_the_student():
    loss = made()
    loss(STUDENT, TEACHER).backward()
    assert learns(loss) == {f"translator.{name}" for name, _ in loss.translator.named_parameters()}


def test_preparation_teaches_the_paraphraser_alone():
    loss, teacher = made(), TEACHER.clone().requires_grad_()
    loss.preparation(teacher).backward()
    assert learns(loss.prepared()) == {name for name, _ in loss.prepared().named_parameters()}
    assert not learns(loss.translator)
    assert teacher.grad is None


def test_preparation_learns_to_give_the_features_back():
    loss = made(rate=2)
    optimizer = torch.optim.Adam(loss.prepared().parameters(), lr=1e-2)
    values = []
    for _ in range(60):
        optimizer.zero_grad()
        value = loss.preparation(TEACHER)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.5 * values[0]


def test_factors_are_compared_by_direction_and_at_the_smaller_size():
    loss = made()
    assert loss(STUDENT, TEACHER).shape == ()
    assert torch.isfinite(loss(random(1, (2, 3, 8, 3)), TEACHER))
    with torch.no_grad():
        loss.translator[-2].weight.mul_(5)
        loss.translator[-2].bias.mul_(5)
    torch.testing.assert_close(loss(STUDENT, TEACHER), made()(STUDENT, TEACHER))


@pytest.mark.parametrize(("rate", "channels"), [(0.01, 1), (0.5, 2), (4, 16)])
def test_rate_sets_the_width_of_the_factors(rate, channels):
    loss = made(rate=rate)
    assert loss.encoder(TEACHER).shape[1] == loss.translator(STUDENT).shape[1] == channels


def test_refuses_other_channels_than_it_was_made_for():
    with pytest.raises(LimbeckError, match="student_channels=4"):
        made()(TEACHER, TEACHER)
    with pytest.raises(LimbeckError, match="teacher_channels=3"):
        made().preparation(STUDENT)
