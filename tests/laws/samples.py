"""What losses are fed: ordinary tensors, and the awkward ones that broke other toolkits."""

import torch
from torch import Tensor


def random(seed: int, shape: tuple[int, ...], scale: float = 2.0) -> Tensor:
    """Return normal numbers of ``shape`` that depend on the seed alone."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * scale


def pair(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return an ordinary student and teacher."""
    return random(1, shape), random(2, shape)


def awkward(shape: tuple[int, ...]) -> dict[str, tuple[Tensor, Tensor]]:
    """Return pairs at which losses have been seen to give NaN, by name (PITFALLS 5, 14, 15, 37)."""
    student, teacher = pair(shape)
    confident = 1e3 * torch.where(student > 0, 1.0, -1.0)
    return {
        "identical": (student, student.clone()),
        "both zero": (torch.zeros(shape), torch.zeros(shape)),
        "duplicate rows": (student[:1].expand(shape).clone(), teacher[:1].expand(shape).clone()),
        "one duplicate row": (torch.cat([student[:-1], student[:1]]), torch.cat([teacher[:-1], teacher[:1]])),
        "confident and right": (confident, confident.clone()),
        "confident and wrong": (confident, -confident),
        "confident teacher": (student, confident),
        "confident student": (confident, teacher),
        "two classes": (student[..., :2], teacher[..., :2]),
        "non-square": (random(3, (*shape, 3)), random(4, (*shape, 3)))
        if len(shape) > 2
        else (student, teacher),
    }
