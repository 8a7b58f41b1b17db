"""What is special to SimilarityPreserving beyond the laws."""

import math

import pytest
import torch

from laws.samples import random
from limbeck import losses

LOSS = losses.SimilarityPreserving()


def test_rows_are_divided_by_their_euclidean_length():
    student, teacher = torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.eye(2)
    # Gram matrix [[1, 1], [1, 2]]; divided by L1 lengths it would be [[1/2, 1/2], [1/3, 2/3]]
    rows = [(math.sqrt(0.5) - 1, math.sqrt(0.5)), (math.sqrt(0.2), math.sqrt(0.8) - 1)]
    assert LOSS(student, teacher).item() == pytest.approx(sum(each**2 for row in rows for each in row) / 4)


def test_maps_of_other_widths_and_sizes_are_compared():
    assert LOSS(random(0, (4, 3, 5, 2)), random(1, (4, 6, 2, 2))) > 0


def test_sample_without_activations_changes_nothing_for_itself():
    student = random(0, (3, 4))
    student[1] = 0
    student.requires_grad_()
    LOSS(student, random(1, (3, 4))).backward()
    assert student.grad[1].abs().max() < 1  # 1e12 where a row of zeros is divided by an epsilon
