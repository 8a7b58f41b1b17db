"""Who teaches in a run, with what it must be fed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from limbeck.models.model import Inputs
from limbeck.teachers import Ensemble, Frozen, Merged, Specialists, Teacher, Transformed


@dataclass(frozen=True)
class Layers:
    """A network inside a teacher, from whose layers can be taught.

    Args:
        network: the network, or ``None``.
        prefix: before the names of its layers, as the teacher knows them: ``"1/"`` for the first of several.
        inputs: what it is fed, as the only teacher.
    """

    network: nn.Module | None
    prefix: str
    inputs: Mapping[str, Inputs]


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

    def layers(self) -> Layers:
        """Return the network whose layers can be taught from; none where the teacher has no layers.

        Of several teachers it is the first, of specialists their generalist.
        """
        teacher, prefix = self.teacher, ""
        while not isinstance(teacher, Frozen):
            if isinstance(teacher, Ensemble | Merged):
                teacher, prefix = teacher.teachers[0], f"{prefix}1/"
            elif isinstance(teacher, Specialists):
                teacher = teacher.generalist
            elif isinstance(teacher, Transformed):
                teacher = teacher.teacher
            else:
                network = getattr(teacher, "model", None)
                return Layers(network if isinstance(network, nn.Module) else None, prefix, self.inputs)
        return Layers(teacher.model, prefix, {"teacher": self.inputs[teacher.role]})

    def precision(self) -> dict[str, Any] | None:
        """Return what the teacher runs in, and the evidence, for the record."""
        choice = getattr(self.teacher, "precision", None)
        if choice is None:
            return None
        return {
            "choice": choice.choice,
            "kl": choice.kl,
            "tolerance": getattr(self.teacher, "tolerance", 0.0),
            "compiled": choice.compiled,
        }
