"""What flows between the rooms: batches, named outputs, training progress."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from limbeck.errors import did_you_mean

Output: TypeAlias = "Tensor | Sequence[Any]"


def moved(value: Any, device: torch.device | str, non_blocking: bool = False) -> Any:
    """Return ``value`` with every tensor inside it on ``device``; containers keep their type."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=non_blocking)
    if isinstance(value, Mapping):
        return {key: moved(each, device, non_blocking) for key, each in value.items()}
    if isinstance(value, list | tuple):
        items = [moved(each, device, non_blocking) for each in value]
        return tuple(items) if isinstance(value, tuple) else items
    return value


def pinned(value: Any) -> Any:
    """Return ``value`` with every tensor inside it in page-locked memory."""
    if isinstance(value, Tensor):
        return value.pin_memory()
    if isinstance(value, Mapping):
        return {key: pinned(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        items = [pinned(each) for each in value]
        return tuple(items) if isinstance(value, tuple) else items
    return value


@dataclass(frozen=True)
class Batch:
    """Samples that travel together.

    Args:
        inputs: a tensor (N, …), or a mapping: the fields of a text batch, or one entry per model
            (``"teacher"``, ``"student"``) where models want different resolutions or normalisations.
        targets: anything the task understands: class indices (N,), values (N,), a list of boxes.
        index: (N,) int64, identifies each sample across epochs and shuffles.
        view: (N,) int64, says which augmentation draw of the sample this is.
        labelled: (N,) bool, which samples have a label; ``None`` means all of them when targets are given.

    Example:
        >>> batch = Batch(torch.zeros(2, 3), torch.tensor([0, 1]))
        >>> len(batch)
        2
        >>> batch.inputs_for("teacher").shape
        torch.Size([2, 3])
    """

    inputs: Any
    targets: Any = None
    index: Tensor | None = None
    view: Tensor | None = None
    labelled: Tensor | None = None

    def __len__(self) -> int:
        if self.index is not None:
            return len(self.index)
        return _rows(self.inputs)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """Return the batch with all its tensors on ``device``: itself where they are there already."""
        if all(_lies_on(getattr(self, each), device) for each in _FIELDS):
            return self
        return replace(self, **{each: moved(getattr(self, each), device, non_blocking) for each in _FIELDS})

    def pin_memory(self) -> "Batch":
        """Return the batch in page-locked memory; a DataLoader with ``pin_memory=True`` calls this."""
        return replace(self, **{each: pinned(getattr(self, each)) for each in _FIELDS})

    def inputs_for(self, role: str) -> Any:
        """Return what the model in ``role`` reads: its own entry where there is one, else all inputs."""
        if isinstance(self.inputs, Mapping) and role in self.inputs:
            return self.inputs[role]
        return self.inputs


_FIELDS = tuple(each.name for each in fields(Batch))


def _lies_on(value: Any, device: torch.device | str) -> bool:
    return value is None or (isinstance(value, Tensor) and value.device == torch.device(device))


def _rows(value: Any) -> int:
    if isinstance(value, Mapping):
        return _rows(next(iter(value.values())))
    return len(value)


class Outputs(Mapping[str, Any]):
    """A read-only mapping from an output's name to its tensor or sequence of tensors.

    Example:
        >>> outputs = Outputs(logits=torch.zeros(2, 10))
        >>> sorted(outputs)
        ['logits']
        >>> outputs["logit"]
        Traceback (most recent call last):
        KeyError: "No output 'logit' (there are: logits). Did you mean 'logits'?"
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any] | None = None, /, **named: Any):
        self._values: dict[str, Any] = {**(values or {}), **named}

    def __getitem__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            known = ", ".join(self._values) or "none"
            hint = did_you_mean(name, self._values)
            raise KeyError(f"No output {name!r} (there are: {known}).{hint}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        shapes = {key: tuple(each.shape) if isinstance(each, Tensor) else each for key, each in self.items()}
        return f"Outputs({shapes})"


@dataclass
class Progress:
    """How far training has come; the loop sets it, schedules read it.

    Args:
        step: optimizer steps done.
        total_steps: optimizer steps planned.
        epoch: epochs done.
        epochs: epochs planned.

    Example:
        >>> Progress(step=5, total_steps=10).fraction
        0.5
    """

    step: int = 0
    total_steps: int = 1
    epoch: int = 0
    epochs: int = 1

    @property
    def fraction(self) -> float:
        """Share of the optimizer steps that are done, 0 to 1."""
        return min(1.0, self.step / max(1, self.total_steps))


@dataclass(frozen=True)
class Context:
    """What a loss may need besides the two tensors.

    Args:
        targets: the batch's targets, or ``None``.
        index: (N,) int64 sample identities, or ``None``.
        progress: how far training has come.

    Example:
        >>> Context().targets is None
        True
    """

    targets: Any = None
    index: Tensor | None = None
    progress: Progress | None = None
