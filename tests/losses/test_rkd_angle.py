"""What is special to RKDAngle beyond the laws. Its maths is tested in tests/functional/test_angle.py."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from laws.samples import random
from limbeck import losses

LOSS = losses.RKDAngle()


class Largest(TorchDispatchMode):
    """Remembers how many elements the largest tensor made under it has."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for each in made if isinstance(made, tuple | list) else (made,):
            if isinstance(each, torch.Tensor):
                self.elements = max(self.elements, each.untyped_storage().nbytes() // each.element_size())
        return made


def test_value_of_two_triangles():
    equilateral = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(0.75)]])
    right = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    apart = [0.5 - 0.0, 0.5 - math.sqrt(0.5), 0.5 - math.sqrt(0.5)]
    assert LOSS(equilateral, right).item() == pytest.approx(2 * sum(each**2 / 2 for each in apart) / 27)


def test_neither_all_differences_nor_all_triplets_are_ever_held():
    student, teacher = random(0, (128, 64)).requires_grad_(), random(1, (128, 64))
    with Largest() as largest:
        LOSS(student, teacher).backward()
    assert largest.elements <= 2**18 < 128 * 128 * 64 < 128**3


def test_embeddings_of_other_widths_are_compared():
    assert LOSS(random(0, (5, 4)), random(1, (5, 3, 2, 2))) > 0


def test_gradient_of_a_batch_with_equal_rows_is_that_of_its_other_triplets():
    student, teacher = random(0, (5, 4)).double(), random(1, (5, 4)).double()
    student[1], teacher[1] = student[0], teacher[0]
    leaf = student.clone().requires_grad_()
    LOSS(leaf, teacher).backward()
    torch.testing.assert_close(leaf.grad[0], leaf.grad[1])  # twins are pulled alike
    step = 1e-6 * random(2, (5, 4)).double()
    step[1] = step[0]  # and stay twins
    rise = LOSS(student + step, teacher) - LOSS(student - step, teacher)
    assert rise.item() == pytest.approx(2 * (leaf.grad * step).sum().item(), rel=1e-5)
