"""What is special to RKDDistance beyond the laws."""

import pytest
import torch

from laws.samples import random
from limbeck import losses

LOSS = losses.RKDDistance()


def test_value_on_a_line():
    student, teacher = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0.0], [1.0], [4.0]])
    # distances 1, 1, 2 over their mean 4/3, and 1, 3, 4 over 8/3
    apart = [3 / 4 - 3 / 8, 3 / 4 - 9 / 8, 6 / 4 - 12 / 8]
    assert LOSS(student, teacher).item() == pytest.approx(2 * sum(each**2 / 2 for each in apart) / 9)


def test_large_differences_of_ratio_count_linearly():
    student, teacher = torch.tensor([[0.0], [1e-3], [100.0]]), torch.tensor([[0.0], [100.0], [1e-3]])
    # ratios 0, 1.5, 1.5 and 1.5, 0, 1.5
    assert LOSS(student, teacher).item() == pytest.approx(2 * 2 * (1.5 - 0.5) / 9, rel=1e-4)


def test_embeddings_of_other_widths_are_compared():
    assert LOSS(random(0, (5, 4)), random(1, (5, 3, 2, 2))) > 0


def test_large_common_mean_costs_no_digits():
    student, teacher = random(0, (6, 8)), random(1, (6, 8))
    far = student + 1e4
    exact = LOSS(far.double(), teacher.double()).item()
    assert LOSS(far, teacher).item() == pytest.approx(exact, rel=1e-6)


def test_equal_rows_count_in_the_mean():
    teacher = torch.tensor([[0.0], [0.0], [1.0], [3.0]])
    student = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    # teacher: 0, 1, 3, 1, 3, 2 over 10/6; student: 1, 2, 3, 1, 2, 1 over 10/6
    apart = [0.6, 0.6, 0.0, 0.0, -0.6, -0.6]
    assert LOSS(student, teacher).item() == pytest.approx(2 * sum(each**2 / 2 for each in apart) / 16)
