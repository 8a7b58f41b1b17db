"""What every loss is fed when its cost is measured: shapes, settings and context, in one place.

A new loss needs a line here only where its place in a network does not say what it reads.
"""

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from limbeck import losses
from limbeck.types import Context, Progress

NAMES = [name for name in losses.__all__ if name != "DistillationLoss"]
SAMPLES = 50_000
CLASSES = 100
PLACES: dict[str, tuple[int, ...]] = {
    "logits": (CLASSES,),
    "embedding": (512,),
    "last map": (256, 8, 8),
    "middle map": (256, 8, 8),
    "every map": (256, 8, 8),
}
SHAPES: dict[str, tuple[int, ...]] = {"BoundedRegression": (1,)}
LEVELS = ((64, 16, 16), (128, 8, 8), (256, 4, 4))
"""For losses on several layers; two of the last map's size for FSP, as in its public measurements."""
LAYERS = {"FSP": ((256, 8, 8), (256, 8, 8))}
SETTINGS: dict[str, dict[str, Any]] = {"CRD": {"negatives": 4096}}


@dataclass(frozen=True)
class Inputs:
    """One batch.

    Args:
        student: a tensor or a tuple of them, which take gradients.
        teacher: the same shapes.
        context: labels, indices and progress.
    """

    student: Any
    teacher: Any
    context: Context

    def leaves(self) -> list[Tensor]:
        return list(self.student) if isinstance(self.student, tuple) else [self.student]


def shapes(name: str) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of a sample at every layer that the loss reads."""
    kind = getattr(losses, name)
    if kind.several:
        return LAYERS.get(name, LEVELS)
    return (SHAPES.get(name, PLACES[kind.place]),)


def batch(name: str, samples: int) -> Inputs:
    """Return a batch of ``samples`` for a loss, the same every time."""
    generator = torch.Generator().manual_seed(0)

    def random(learns: bool) -> Any:
        layers = tuple(
            (2 * torch.randn(samples, *shape, generator=generator)).requires_grad_(learns)
            for shape in shapes(name)
        )
        return layers if getattr(losses, name).several else layers[0]

    student, teacher = random(learns=True), random(learns=False)
    values = shapes(name)[0] == (1,)
    context = Context(
        targets=torch.randn(samples, 1, generator=generator)
        if values
        else torch.randint(CLASSES, (samples,), generator=generator),
        index=torch.randperm(SAMPLES, generator=generator)[:samples],
        progress=Progress(step=5, total_steps=10, epoch=5, epochs=10),
    )
    return Inputs(student, teacher, context)


def made(name: str) -> nn.Module:
    """Return a loss for these shapes, otherwise at its defaults."""
    kind = getattr(losses, name)
    channels = tuple(shape[0] for shape in shapes(name))
    widths = channels if kind.several else channels[0]
    known = {"student_channels": widths, "teacher_channels": widths, "samples": SAMPLES}
    asked = inspect.signature(kind).parameters
    torch.manual_seed(0)
    return kind(
        **{key: value for key, value in known.items() if key in asked}, **SETTINGS.get(name, {})
    ).train()
