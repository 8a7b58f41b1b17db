"""What every loss promises."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.types import Context


class DistillationLoss(nn.Module, ABC):
    """A scalar that says how far the student is from what the teacher knows.

    Constructors store settings and check them; learnable parts are parameters and buffers, so that they
    train, move and checkpoint with the scheme.

    Example:
        >>> from limbeck.losses import KD
        >>> isinstance(KD(), DistillationLoss)
        True
    """

    paper: ClassVar[str] = ""
    """Authors, year, arXiv number."""
    kind: ClassVar[str] = "response"
    """Which knowledge it carries: response, feature or relation."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """Fields of :class:`limbeck.types.Context` without which it cannot run."""
    smallest_batch: ClassVar[int] = 1
    """How many samples it needs to mean anything; the loop never gives it fewer."""

    @abstractmethod
    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return the scalar loss; gradients reach ``student`` and the loss's own parameters only."""


def same_shape(loss: str, student: Tensor, teacher: Tensor) -> None:
    """Refuse tensors whose shapes differ.

    Args:
        loss: name of the loss, for the message.
        student: any shape.
        teacher: the same shape.

    Raises:
        LimbeckError: the shapes differ.
    """
    if student.shape != teacher.shape:
        raise LimbeckError(
            f"{loss} compares tensors of one shape, but the student gives {tuple(student.shape)} and the "
            f"teacher {tuple(teacher.shape)}: give both the same classes, or an adapter to the term."
        )


def positive(name: str, value: float) -> float:
    """Return ``value`` when it is a finite number above zero, and refuse it otherwise.

    Args:
        name: the setting's name, for the message.
        value: what was given.

    Raises:
        LimbeckError: not above zero, not finite, not a number.

    Example:
        >>> positive("temperature", 4)
        4.0
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise LimbeckError(f"{name} must be a finite number above 0, not {value!r}: 4 is a usual start.")
    return float(value)
