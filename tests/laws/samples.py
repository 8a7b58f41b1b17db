"""What losses are fed: ordinary tensors, and the awkward ones that broke other toolkits."""

from collections.abc import Callable

import torch
from torch import Tensor


def random(seed: int, shape: tuple[int, ...], scale: float = 2.0) -> Tensor:
    """Return normal numbers of ``shape`` that depend on the seed alone."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * scale


def pair(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return an ordinary student and teacher."""
    return random(1, shape), random(2, shape)


def labels(teacher: Tensor) -> Tensor:
    """Return a class for each row of the teacher, which is right about some of them and wrong about others.

    The class follows the row through any reordering of samples and classes, and through shifts.
    """
    return torch.where(picked(teacher, 5), teacher.argmax(-1), teacher.argmin(-1))


def picked(teacher: Tensor, often: float) -> Tensor:
    """Return for each row whether it is picked, read from its range alone."""
    wide = teacher.double()
    return (often * (wide.amax(-1) - wide.amin(-1))).floor() % 2 == 0


def numbers(teacher: Tensor, samples: int) -> Tensor:
    """Return (N,) int64 sample numbers below ``samples``, each read from its row alone."""
    return (teacher.double().flatten(1).sum(1) * 997).floor().long() % samples


def awkward(student: Tensor, teacher: Tensor, loudest: float = 1e3) -> dict[str, tuple[Tensor, Tensor]]:
    """Return pairs at which losses have been seen to give NaN, by name (PITFALLS 5, 14, 15, 37)."""
    sure, certain = (loudest * torch.where(each > 0, 1.0, -1.0).to(each.dtype) for each in (student, teacher))
    level, flat = (each.flatten(1).mean(1).view(-1, *[1] * (each.dim() - 1)) for each in (student, teacher))
    found = {
        "ordinary": (student, teacher),
        "both zero": (torch.zeros_like(student), torch.zeros_like(teacher)),
        "zero student": (torch.zeros_like(student), teacher),
        "zero teacher": (student, torch.zeros_like(teacher)),
        "constant rows": (level.expand_as(student).clone(), flat.expand_as(teacher).clone()),
        "duplicate rows": (student[:1].expand_as(student).clone(), teacher[:1].expand_as(teacher).clone()),
        "one duplicate row": (torch.cat([student[:-1], student[:1]]), torch.cat([teacher[:-1], teacher[:1]])),
        "tiny": (1e-6 * student, 1e-6 * teacher),
        "confident": (sure, certain),
        "confident teacher": (student, certain),
        "confident student": (sure, teacher),
    }
    if student.shape == teacher.shape:
        found["identical"] = (teacher.clone(), teacher)
        found["nearly identical"] = (teacher + 1e-6 * student, teacher)
        found["confident and right"] = (certain.clone(), certain)
        found["confident and wrong"] = (-certain, certain)
    return found


def slopes_agree(function: Callable[[Tensor], Tensor], at: Tensor) -> bool:
    """Return whether autograd's slope is that of central differences, along three directions (double precision)."""
    leaf = at.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(function(leaf), leaf)
    for seed in (3, 4, 5):
        way = random(seed, tuple(at.shape), 1.0).double()
        rise = function(at + 1e-6 * way) - function(at - 1e-6 * way)
        if not torch.isclose((gradient * way).sum(), rise.detach() / 2e-6, rtol=1e-4, atol=1e-6):
            return False
    return True
