"""What is special to CorrelationCongruence beyond the laws."""

import math

import pytest
import torch

from laws.samples import random
from limbeck import losses

CC = losses.CorrelationCongruence


def test_exact_kernel_is_that_of_distances_between_unit_rows():
    student, teacher = random(0, (5, 6)).double(), random(1, (5, 3)).double()
    kernels = []
    for samples in (student, teacher):
        rows = samples / samples.norm(dim=1, keepdim=True)
        kernels.append(torch.exp(-0.7 * (rows[:, None] - rows).square().sum(2)))
    expected = (kernels[0] - kernels[1]).square().mean().item()
    assert CC(gamma=0.7, order=None)(student, teacher).item() == pytest.approx(expected)


def test_series_tends_to_the_exact_kernel():
    student, teacher = random(0, (5, 6)), random(1, (5, 3))
    exact = CC(gamma=2.0, order=None)(student, teacher).item()
    errors = [abs(CC(gamma=2.0, order=order)(student, teacher).item() - exact) for order in (2, 4, 8, 16)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-5


def test_value_of_the_papers_order():
    student, teacher = torch.tensor([[1.0, 0.0], [0.0, 3.0]]), torch.tensor([[2.0, 0.0], [1.0, 0.0]])
    # cosines 0 and 1 off the diagonal
    apart = math.exp(-0.8) * (0.8 + 0.8**2 / 2)
    assert CC()(student, teacher).item() == pytest.approx(2 * apart**2 / 4)
