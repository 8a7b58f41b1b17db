"""Which output of the student learns from which output of the teacher, by which loss, how much."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.losses import DistillationLoss
from limbeck.processes import apart, joined
from limbeck.schemes.joined import joined_context
from limbeck.schemes.schedule import Schedule, told, value_at
from limbeck.types import Context, Outputs, Progress

Names: TypeAlias = str | Sequence[str]
Adapters: TypeAlias = nn.Module | Sequence[nn.Module | None] | None


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


class Term(nn.Module):
    """One thing that is taught: a loss between outputs of the student and of the teacher.

    This is the only place that wires layers to losses. Any name that is not an output of the task is the path
    of a layer, as ``named_modules()`` spells it, and is tapped (``layer@in`` is what goes into it). A loss over
    several layers takes a group of names on each side, and may take an adapter for each.

    Args:
        loss: what is taught.
        student: name of the student's output or layer, or a group of them.
        teacher: name of the teacher's output or layer, or a group of them.
        weight: a number of at least 0, or a schedule: a function of :class:`limbeck.types.Progress`.
        adapter: module that brings the student's tensor to the teacher's shape; trained with the student. For a
            group, one for each name, or ``None`` where none is needed.
        teacher_adapter: likewise for the teacher's tensor: a change of layout, without parameters.
        schedules: numeric settings of the loss that change in training, ``{"temperature": Linear(8, 1)}``.
        name: what the log calls it; the loss's class name unless told.

    Raises:
        LimbeckError: a weight below 0, not finite or not a number; not a loss; a group for a loss that takes one
            tensor, or the reverse; a schedule of what the loss does not have.

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
        student: Names = "logits",
        teacher: Names = "logits",
        weight: float | Schedule = 1.0,
        adapter: Adapters = None,
        teacher_adapter: Adapters = None,
        schedules: Mapping[str, Schedule] | None = None,
        name: str | None = None,
    ):
        super().__init__()
        if not isinstance(loss, nn.Module):
            raise LimbeckError(f"A term takes a loss such as losses.KD(), not {loss!r}.")
        self.loss = loss
        self.name = name or type(loss).__name__
        self.student = _group(self.name, loss, student, "student")
        self.teacher = _group(self.name, loss, teacher, "teacher")
        self.weight = checked_weight("A term's weight", weight)
        self.adapter = _modules(self.name, adapter, self.student, "adapter")
        self.teacher_adapter = _modules(self.name, teacher_adapter, self.teacher, "teacher_adapter")
        self.schedules = dict(schedules or {})
        _check_call(self.name, loss)
        for setting, schedule in self.schedules.items():
            if not callable(schedule):
                raise LimbeckError(
                    f"The schedule of {self.name}'s {setting} is a function of the progress, such as Linear(8, 1), not "
                    f"{schedule!r}."
                )
            if not isinstance(getattr(loss, setting, None), int | float):
                raise LimbeckError(f"{self.name} has no numeric setting {setting!r} to put on a schedule.")

    def forward(self, student: Outputs, teacher: Outputs, context: Context) -> Tensor:
        """Return the weighted loss."""
        missing = [need for need in getattr(self.loss, "needs", ()) if getattr(context, need) is None]
        if missing:
            raise LimbeckError(
                f"{self.name} needs the batch's {' and '.join(missing)}, which this batch lacks."
            )
        known = _read(student, self.student, self.adapter)
        taught = _read(teacher, self.teacher, self.teacher_adapter)
        progress = context.progress or Progress()
        for setting, schedule in self.schedules.items():
            setattr(self.loss, setting, _scheduled(self.name, setting, schedule(progress)))
        if apart() and getattr(self.loss, "relates_samples", False):
            known, taught, context = joined(known), joined(taught), joined_context(context)
        try:
            value: Tensor = self.loss(known, taught, context)
        except LimbeckError as error:
            raise self._refusal(known, taught, error) from error
        except (AttributeError, TypeError) as error:
            self._refuse_containers(known, taught, error)
            raise
        if not isinstance(value, Tensor) or value.numel() != 1:
            given = f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise LimbeckError(f"{self.name} must give one number as a tensor, a mean say, not {given}.")
        weight: float = _scheduled(self.name, "weight", value_at(self.weight, progress))
        return weight * value

    def taught(self, teacher: Outputs) -> Any:
        """Return what the teacher gives to the loss: its tensor or tuple of tensors."""
        return _read(teacher, self.teacher, self.teacher_adapter)

    def _refusal(self, known: Any, taught: Any, error: LimbeckError) -> LimbeckError:
        """Say which layers a loss refused, and where their shapes differ, what would bridge them."""
        tensors = isinstance(known, Tensor) and isinstance(taught, Tensor)
        if tensors and getattr(self.loss, "same_shape", False) and known.shape != taught.shape:
            return LimbeckError(
                f"{self.name} compares tensors of one shape, but the student's {self.student!r} gives "
                f"{tuple(known.shape)} and the teacher's {self.teacher!r} {tuple(taught.shape)}: "
                f"{_advice(known, taught)}."
            )
        wiring = f"student's {self.student!r} from teacher's {self.teacher!r}"
        return LimbeckError(f"{error} (Term {self.name}: {wiring}.)")

    def _refuse_containers(self, known: Any, taught: Any, error: Exception) -> None:
        """Say which layer gives several tensors where the loss reads one."""
        for whose, names, value in (("student", self.student, known), ("teacher", self.teacher, taught)):
            if isinstance(names, str) and not isinstance(value, Tensor):
                raise LimbeckError(
                    f"{self.name} reads a tensor, but the {whose}'s {names!r} gives a {type(value).__name__}: name one "
                    f"of its parts, such as {names}@out.0."
                ) from error

    def extra_repr(self) -> str:
        """Show the wiring and the weight in ``repr``."""
        changing = "".join(f", {name}={told(each)}" for name, each in self.schedules.items())
        return f"{self.student!r} from {self.teacher!r}, weight={told(self.weight)}{changing}"


def names_of(names: Names) -> tuple[str, ...]:
    """Return one name or a group of them as a tuple.

    Example:
        >>> names_of("logits"), names_of(["layer1", "layer2"])
        (('logits',), ('layer1', 'layer2'))
    """
    return (names,) if isinstance(names, str) else tuple(names)


def _check_call(name: str, loss: nn.Module) -> None:
    """Refuse a loss that cannot be called with three arguments."""
    try:
        inspect.signature(loss.forward).bind(None, None, None)
    except TypeError as error:
        raise LimbeckError(
            f"{name} must be called with (student, teacher, context), but {error}: wrap it in a module whose "
            "forward takes the three."
        ) from error


def _scheduled(name: str, setting: str, value: Any) -> Any:
    """Return what a schedule says, when a loss can be multiplied by it or divided by it."""
    try:
        fits = not isinstance(value, str) and 0 <= float(value) < float("inf")
    except (TypeError, ValueError):
        fits = False
    if not fits or (setting == "temperature" and value == 0):
        wanted = "above 0" if setting == "temperature" else "of at least 0"
        raise LimbeckError(
            f"The schedule of {name}'s {setting} must give finite numbers {wanted}, not {value!r}."
        )
    return value


def _group(name: str, loss: nn.Module, names: Names, whose: str) -> str | tuple[str, ...]:
    several = getattr(loss, "several", False)
    if several and isinstance(names, str):
        raise LimbeckError(
            f"{name} reads several layers: give the term {whose}=('…', '…'), not {whose}={names!r}."
        )
    if not several and not isinstance(names, str):
        raise LimbeckError(
            f"{name} reads one layer: give the term {whose}='…', and make a term for each pair of layers, not "
            f"{whose}={names!r}."
        )
    return names if isinstance(names, str) else tuple(names)


def _modules(name: str, given: Adapters, names: Names, what: str) -> nn.Module | None:
    """Return adapters as one module: a list of them for a group of layers."""
    if given is None or isinstance(names, str):
        if given is not None and not isinstance(given, nn.Module):
            raise LimbeckError(f"{name} reads one layer, so its {what} is one module, not {given!r}.")
        return given
    each = [given] if isinstance(given, nn.Module) and not isinstance(given, nn.ModuleList) else list(given)
    if len(each) != len(names):
        raise LimbeckError(f"{name} reads {len(names)} layers, so it takes as many {what}s, not {len(each)}.")
    return nn.ModuleList(nn.Identity() if module is None else module for module in each)


def _read(outputs: Outputs, names: Names, adapter: nn.Module | None) -> Any:
    if isinstance(names, str):
        return outputs[names] if adapter is None else adapter(outputs[names])
    if adapter is None:
        return tuple(outputs[name] for name in names)
    assert isinstance(adapter, nn.ModuleList)
    return tuple(module(outputs[name]) for module, name in zip(adapter, names, strict=True))


def _advice(known: Tensor, taught: Tensor) -> str:
    if known.shape[0] != taught.shape[0]:
        return "run both on the same batch"
    if known.dim() == 4 and taught.dim() == 4:
        size = "" if known.shape[2:] == taught.shape[2:] else f", size={tuple(taught.shape[2:])}"
        return f"give the term adapter=limbeck.adapters.Conv({known.shape[1]}, {taught.shape[1]}{size})"
    if known.dim() == taught.dim() and known.dim() in (2, 3):
        return (
            f"give the term adapter=limbeck.adapters.Linear({known.shape[-1]}, {taught.shape[-1]}), or, if these are "
            "logits, models of the same classes"
        )
    return "tap layers of one kind, or give the term adapters, as limbeck.adapters.match_layers proposes them"
