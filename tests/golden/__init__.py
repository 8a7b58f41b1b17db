"""The inputs at which golden values are frozen. The values stand with their cases (``tests/cases``).

A golden value changes only together with a line in the changelog. It is computed by ``freeze.py`` from the loss's
derivation in float64 (the gradient by central differences), not by the code under test.
"""

from math import cos, sin, sqrt
from typing import Any

import torch
from torch import Tensor

from cases import Case
from limbeck.losses import DistillationLoss


def waves(case: Case) -> tuple[Case, Tensor, Tensor, DistillationLoss]:
    """Return the small case with its student, teacher and loss: numbers that no generator has a part in."""
    small = case.smaller()
    student, teacher = small.pair()
    for number in range(len(student)):
        for side, wave in ((student, _student), (teacher, _teacher)):
            row = side.view(len(side), -1)[number]
            row.copy_(torch.tensor([wave(number, each) for each in range(len(row))], dtype=torch.float64))
    loss = small.loss(torch.float64)
    with torch.no_grad():
        for number, each in enumerate(loss.parameters()):
            inputs = each[0].numel() if each.dim() > 1 else 1
            wave = [sin(1 + number + 2.3 * place) / sqrt(inputs) for place in range(each.numel())]
            each.copy_(torch.tensor(wave, dtype=torch.float64).view_as(each))
    return small, student, teacher, loss


def slope(case: Case, student: Tensor, teacher: Tensor, loss: Any, place: int, step: float = 1e-5) -> float:
    """Return the derivation's slope along one entry of the student, by central differences."""
    ahead, behind = student.detach().clone(), student.detach().clone()
    ahead.view(-1)[place] += step
    behind.view(-1)[place] -= step
    rise = [case.expected(each, teacher, loss, held=student) for each in (ahead, behind)]
    return (rise[0] - rise[1]) / (2 * step)


def _student(number: int, place: int) -> float:
    return 3 * sin(1 + 2 * number + 1.7 * place)


def _teacher(number: int, place: int) -> float:
    return 4 * cos(0.5 * number - 1.3 * place)
