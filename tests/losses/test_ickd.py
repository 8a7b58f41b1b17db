"""What is special to ICKD beyond the laws."""

import math

import pytest
import torch

from laws.samples import pair, random
from limbeck import losses

LOSS = losses.ICKD()


def test_value_of_two_channels():
    teacher = torch.eye(2).view(1, 2, 1, 2)
    student = torch.tensor([[1.0, 0.0], [1.0, 1.0]]).view(1, 2, 1, 2)
    rows = [(math.sqrt(0.5) - 1, math.sqrt(0.5)), (math.sqrt(0.2), math.sqrt(0.8) - 1)]
    assert LOSS(student, teacher).item() == pytest.approx(sum(each**2 for row in rows for each in row) / 2)


def test_where_a_map_is_active_does_not_matter():
    student, teacher = pair((2, 3, 4, 5))
    moved = random(0, (2, 20)).argsort(1)[:, None].expand(2, 3, 20)
    shuffled = student.flatten(2).gather(2, moved).view_as(student)
    torch.testing.assert_close(LOSS(shuffled, teacher), LOSS(student, teacher))


def test_it_is_between_nothing_and_four():
    student, teacher = pair((3, 4, 3, 3))
    assert 0 < LOSS(student, teacher) < 4
