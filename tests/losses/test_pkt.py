"""What is special to PKT beyond the laws."""

import math

import pytest
import torch

from laws.samples import random
from limbeck import losses


def test_diagonal_does_not_count_unless_it_is_asked_for():
    student = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]).double()
    teacher = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]).double()
    affinity = {
        True: [[1, 0.5, 0], [0.5, 1, 0.5], [0, 0.5, 1]],
        False: [[1, 0.5, 0.5], [0.5, 1, 1], [0.5, 1, 1]],
    }
    for diagonal in (True, False):
        total = 0.0
        for i in range(3):
            others = [j for j in range(3) if diagonal or j != i]
            p_s, p_t = (
                [
                    (affinity[side][i][j] + 1e-6) / sum(affinity[side][i][k] + 1e-6 for k in others)
                    for j in others
                ]
                for side in (True, False)
            )
            total += sum(t * math.log(t / s) for s, t in zip(p_s, p_t, strict=True))
        assert losses.PKT(diagonal=diagonal)(student, teacher).item() == pytest.approx(total / 3)


def test_public_code_is_n_times_less_and_counts_the_diagonal():
    student, teacher = random(0, (6, 5)).double(), random(1, (6, 8)).double()
    affinities = []
    for samples in (student, teacher):
        rows = samples / samples.norm(dim=1, keepdim=True)
        affinity = (rows @ rows.T + 1) / 2
        affinities.append(affinity / affinity.sum(1, keepdim=True))
    public = (affinities[1] * (affinities[1] / affinities[0]).log()).mean().item()
    assert losses.PKT(diagonal=True)(student, teacher).item() == pytest.approx(6 * public, rel=1e-4)


def test_opposite_rows_are_finite_and_can_come_back():
    student = torch.tensor([[1.0, 0.1], [-1.0, -0.1], [0.0, 1.0]], requires_grad=True)
    value = losses.PKT()(student, torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(student.grad).all()
    assert student.grad.abs().sum() > 0
