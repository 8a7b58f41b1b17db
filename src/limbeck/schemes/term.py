"""Which output of the student learns from which output of the teacher, by which loss, how much."""

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.losses import DistillationLoss
from limbeck.types import Context, Outputs, Progress

Schedule: TypeAlias = Callable[[Progress], float]


def weight_at(weight: float | Schedule, progress: Progress) -> float:
    """Return a weight's value now: itself, or what its schedule says at this point of training.

    Example:
        >>> weight_at(lambda progress: progress.fraction, Progress(step=1, total_steps=4))
        0.25
    """
    return weight(progress) if callable(weight) else weight


def checked_weight(name: str, weight: float | Schedule) -> float | Schedule:
    """Return ``weight`` when it is a schedule or a finite number of at least zero.

    Raises:
        LimbeckError: negative, not finite, or not a number.
    """
    if callable(weight):
        return weight
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
        raise LimbeckError(f"{name} must be a finite number of at least 0, not {weight!r}.")
    return float(weight)


def told_weight(weight: float | Schedule) -> str:
    """Return a weight as text: the number, or the schedule's name.

    Example:
        >>> told_weight(0.5)
        '0.5'
    """
    return getattr(weight, "__qualname__", type(weight).__name__) if callable(weight) else f"{weight:g}"


class Term(nn.Module):
    """One thing that is taught: a loss between an output of the student and one of the teacher.

    This is the only place that wires layers to losses. Any name that is not an output of the task is the path
    of a layer, as ``named_modules()`` spells it, and is tapped.

    Args:
        loss: what is taught.
        student: name of the student's output or layer.
        teacher: name of the teacher's output or layer.
        weight: a number of at least 0, or a function of :class:`limbeck.types.Progress`.
        adapter: module that brings the student's tensor to the teacher's shape; trained with the student.
        name: what the log calls it; the loss's class name unless told.

    Raises:
        LimbeckError: a weight below 0, not finite or not a number; not a loss.

    Example:
        >>> import torch
        >>> from limbeck.losses import KD
        >>> term = Term(KD(temperature=2), weight=0.5)
        >>> logits = Outputs(logits=torch.zeros(1, 3))
        >>> term(logits, logits, Context()).item()
        0.0
    """

    def __init__(
        self,
        loss: DistillationLoss,
        student: str = "logits",
        teacher: str = "logits",
        weight: float | Schedule = 1.0,
        adapter: nn.Module | None = None,
        name: str | None = None,
    ):
        super().__init__()
        if not isinstance(loss, nn.Module):
            raise LimbeckError(f"A term takes a loss such as losses.KD(), not {loss!r}.")
        self.loss = loss
        self.student = student
        self.teacher = teacher
        self.weight = checked_weight("A term's weight", weight)
        self.adapter = adapter
        self.name = name or type(loss).__name__

    def forward(self, student: Outputs, teacher: Outputs, context: Context) -> Tensor:
        """Return the weighted loss."""
        known = student[self.student]
        if self.adapter is not None:
            known = self.adapter(known)
        missing = [need for need in getattr(self.loss, "needs", ()) if getattr(context, need) is None]
        if missing:
            raise LimbeckError(
                f"{self.name} needs the batch's {' and '.join(missing)}, which this batch lacks."
            )
        weight = weight_at(self.weight, context.progress or Progress())
        value: Tensor = self.loss(known, teacher[self.teacher], context)
        return weight * value

    def extra_repr(self) -> str:
        """Show the wiring and the weight in ``repr``."""
        return f"{self.student!r} from {self.teacher!r}, weight={told_weight(self.weight)}"
