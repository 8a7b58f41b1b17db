"""Who teaches in a run, with what it must be fed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from limbeck.models.model import Inputs
from limbeck.teachers import Teacher


@dataclass(frozen=True)
class Tutor:
    """A teacher with what a run must know of it.

    Args:
        teacher: ready to teach.
        inputs: what it wants to be fed, by the roles that it reads: ``"teacher"``, or ``"teacher 1"`` and so on.
        trained_here: whether this run trained it.
    """

    teacher: Teacher
    inputs: Mapping[str, Inputs]
    trained_here: bool = False

    def precision(self) -> dict[str, Any] | None:
        """Return what the teacher runs in, and the evidence, for the record."""
        choice = getattr(self.teacher, "precision", None)
        if choice is None:
            return None
        return {
            "choice": choice.choice,
            "kl": choice.kl,
            "tolerance": getattr(self.teacher, "tolerance", 0.0),
        }
