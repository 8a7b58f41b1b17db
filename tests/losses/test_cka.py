"""What is special to CKA beyond the laws."""

import pytest
import torch

from laws.samples import random
from limbeck import losses

LOSS = losses.CKA()


def test_gram_matrices_give_what_covariances_give():
    student, teacher = random(0, (7, 5)).double(), random(1, (7, 3)).double()
    X, Y = (each - each.mean(0) for each in (student, teacher))
    alignment = (Y.T @ X).square().sum() / ((X.T @ X).norm() * (Y.T @ Y).norm())
    assert LOSS(student, teacher).item() == pytest.approx(1 - alignment.item())


def test_turning_and_scaling_change_nothing_but_stretching_does():
    student = random(0, (7, 4))
    turn, _ = torch.linalg.qr(random(1, (4, 4)))
    assert LOSS(3 * student @ turn + 5, student).item() == pytest.approx(0, abs=1e-6)
    assert LOSS(student * torch.tensor([5.0, 1.0, 1.0, 1.0]), student) > 0.05


def test_it_is_one_where_there_is_nothing_to_align():
    student = torch.full((4, 3), 0.1, requires_grad=True)
    value = LOSS(student, random(0, (4, 3)))
    value.backward()
    assert value.item() == 1
    assert torch.equal(student.grad, torch.zeros(4, 3))
