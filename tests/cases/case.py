"""One line of the table: how a loss is made, what it is fed, what must hold for it."""

import inspect
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any

import torch
from torch import Tensor

from laws.samples import labels, numbers, random
from limbeck.losses import DistillationLoss
from limbeck.types import Context, Progress

Shape = tuple[int, ...]

LOGITS: Shape = (6, 10)
TOKENS: Shape = (4, 3, 7)
EMBEDDING: Shape = (6, 8)
MAPS: Shape = (4, 6, 5, 3)
USUAL_SHAPE = {"logits": LOGITS, "embedding": EMBEDDING, "last map": MAPS, "middle map": MAPS}
WIDTHS = {"student_channels", "teacher_channels", "samples"}
"""Settings that describe networks and data rather than the method."""


@dataclass(frozen=True, eq=False, repr=False)
class Case:
    """A loss with some settings, and everything the laws, the reference and the golden test need to know.

    Laws see ONE tensor for each side, of ``shape`` or, where the loss takes several layers, all layers of a sample
    side by side (N, total): ``case(student, teacher)`` splits it, adds the context the loss needs and returns the
    scalar. Every call makes a fresh loss under ``torch.manual_seed(0)`` and runs it under ``torch.manual_seed(1)``,
    so that learnable and random losses are functions of their inputs too.

    Args:
        made: the class, ``losses.DKD``.
        settings: what its constructor is given; everything else is at its default.
        laws: the optional laws that hold; all others are asserted NOT to hold.
        derived: its reference. Called with ``student`` and ``teacher`` as nested lists (a list of them, one for
            each layer, where the loss takes several), the settings, and those of ``targets``, ``index``,
            ``progress`` (the fraction done), ``parameters`` (name -> nested list, buffers too) and ``held`` that it
            names. ``held`` is the student at which the gradient is taken: read from it what the loss detaches.
        frozen: golden value and gradient norm, as ``python tests/golden/freeze.py NAME`` prints them.
        shape: of the student; a tuple of shapes for several layers. Small and not square.
        teacher_shape: of the teacher, where it is another.
        small: shape for the golden value and the gradient's reference, where the default is not small enough.
        small_teacher: of the teacher, where it is another.
        exempt: law of every loss that does not apply -> why. It is asserted to fail, so none outlives its reason.
        zero: settings that may be 0; for all other numbers 0 must be refused. Told by a class's first case.
        negative: settings that may be below 0. Told by a class's first case.
        beyond: setting -> further values that must be refused. Told by a class's first case.
        targets: the teacher's tensor -> targets, for a loss that needs them; class labels unless said otherwise.
        progress: how far training has come, for a loss that reads it.
        scales: sizes of the inputs at which the value is compared with its reference.
        loudest: size of the confident inputs under autocast; less where the gradient there does not fit in float16.
        prepare: changes every fresh loss before it is used (fill a memory, end a warm-up).
        evaluating: whether the loss runs in evaluation mode.
        note: tells apart two cases with the same settings.
    """

    made: type[DistillationLoss]
    settings: Mapping[str, Any] = field(default_factory=dict)
    laws: Set[str] = frozenset()
    derived: Callable[..., float] | None = None
    frozen: tuple[float, float] | None = None
    shape: Any = None
    teacher_shape: Any = None
    small: Any = None
    small_teacher: Any = None
    exempt: Mapping[str, str] = field(default_factory=dict)
    zero: Set[str] = frozenset()
    negative: Set[str] = frozenset()
    beyond: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    targets: Callable[[Tensor], Tensor] = labels
    progress: Progress | None = None
    scales: tuple[float, ...] = (1.0, 5.0, 30.0)
    loudest: float = 1e3
    prepare: Callable[[Any], object] | None = None
    evaluating: bool = False
    note: str = ""

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        return f"{self.made.__name__}({given})" + (f" {self.note}" if self.note else "")

    def __repr__(self) -> str:
        return f"<{self}>"

    # What it is fed.

    @cached_property
    def student_layers(self) -> tuple[Shape, ...]:
        """Shapes of the student's layers; one for a loss on one layer."""
        return _layers(self.shape or USUAL_SHAPE[self.made.place])

    @cached_property
    def teacher_layers(self) -> tuple[Shape, ...]:
        """Shapes of the teacher's layers."""
        return _layers(self.teacher_shape) if self.teacher_shape else self.student_layers

    @property
    def samples(self) -> int:
        """Samples in an ordinary batch."""
        return self.student_layers[0][0]

    @property
    def alike(self) -> bool:
        """Whether the student may be given what the teacher gives."""
        return self.student_layers == self.teacher_layers

    @property
    def fixed(self) -> bool:
        """Whether the loss was built for certain widths."""
        return bool({"student_channels", "teacher_channels"} & set(self.settings))

    @property
    def on_maps(self) -> bool:
        """Whether all layers are maps (N, C, H, W)."""
        return all(len(each) == 4 for each in (*self.student_layers, *self.teacher_layers))

    def student(self, seed: int = 1, scale: float = 2.0, samples: int | None = None) -> Tensor:
        """Return an ordinary student, double precision."""
        return random(seed, self._flat(self.student_layers, samples), scale).double()

    def teacher(self, seed: int = 2, scale: float = 2.0, samples: int | None = None) -> Tensor:
        """Return an ordinary teacher, double precision."""
        return random(seed, self._flat(self.teacher_layers, samples), scale).double()

    def pair(self, samples: int | None = None) -> tuple[Tensor, Tensor]:
        """Return an ordinary student and teacher, double precision."""
        return self.student(samples=samples), self.teacher(samples=samples)

    def reshaped(self, change: Callable[[Shape], Shape], note: str = "") -> "Case":
        """Return the case with every layer's shape changed."""
        return replace(
            self,
            shape=tuple(change(each) for each in self.student_layers),
            teacher_shape=tuple(change(each) for each in self.teacher_layers),
            note=note or self.note,
        )

    def smaller(self) -> "Case":
        """Return the case at the shapes of its golden value."""
        if self.small:
            return replace(self, shape=self.small, teacher_shape=self.small_teacher or self.small)
        return self.reshaped(self._shrunk)

    def layers(self, flat: Tensor, shapes: tuple[Shape, ...]) -> list[Tensor]:
        """Return the layers that a law's one tensor stands for."""
        if not self.made.several:
            return [flat]
        parts = flat.split([prod(each[1:]) for each in shapes], dim=1)
        return [part.reshape(len(flat), *shape[1:]) for part, shape in zip(parts, shapes, strict=True)]

    def mapped(
        self, change: Callable[[Tensor], Tensor], student: Tensor, teacher: Tensor | None = None
    ) -> Tensor:
        """Return the student's tensor with every layer changed; ``teacher`` is given to change that one instead."""
        flat, shapes = (student, self.student_layers) if teacher is None else (teacher, self.teacher_layers)
        changed = [change(each) for each in self.layers(flat, shapes)]
        return torch.cat([each.flatten(1) for each in changed], 1) if self.made.several else changed[0]

    # How it runs.

    def loss(self, dtype: torch.dtype = torch.float32, **settings: Any) -> DistillationLoss:
        """Return a fresh loss, the same every time."""
        torch.manual_seed(0)
        loss = self.made(**{**self.settings, **settings})
        loss.train(not self.evaluating)
        if self.prepare is not None:
            with torch.no_grad():
                self.prepare(loss)
        return loss.to(dtype)

    def __call__(self, student: Tensor, teacher: Tensor, loss: DistillationLoss | None = None) -> Tensor:
        """Return the loss of a law's two tensors."""
        if loss is None:
            loss = self.loss(torch.float64 if student.dtype == torch.float64 else torch.float32)
        torch.manual_seed(1)
        return loss(*self.inputs(student, teacher), self.context(teacher))

    def inputs(self, student: Tensor, teacher: Tensor) -> tuple[Any, Any]:
        """Return what the loss is called with."""
        if not self.made.several:
            return student, teacher
        return (
            tuple(self.layers(student, self.student_layers)),
            tuple(self.layers(teacher, self.teacher_layers)),
        )

    def context(self, teacher: Tensor) -> Context | None:
        """Return what comes with the batch: read from each sample of the teacher, so that it follows the sample."""
        needs = self.made.needs
        if not needs and self.progress is None:
            return None
        return Context(
            targets=self.targets(teacher.detach()) if "targets" in needs else None,
            index=numbers(teacher.detach(), int(self.settings.get("samples", 64)))
            if "index" in needs
            else None,
            progress=self.progress or Progress(step=3, total_steps=10, epoch=3, epochs=10),
        )

    def expected(self, student: Tensor, teacher: Tensor, loss: DistillationLoss, held: Any = None) -> float:
        """Return what the reference gives for a law's two tensors and the loss's parameters."""
        context = self.context(teacher) or Context()
        ours, theirs = self.inputs(student, teacher)
        known: dict[str, Any] = {name: _listed(value) for name, value in self.settings.items()}
        known["targets"] = _listed(context.targets)
        known["index"] = _listed(context.index)
        known["progress"] = context.progress.fraction if context.progress else None
        known["parameters"] = {name: each.tolist() for name, each in loss.state_dict().items()}
        known["held"] = None if held is None else _listed(self.inputs(held, teacher)[0])
        assert self.derived is not None, f"{self} has no derivation"
        asked = inspect.signature(self.derived).parameters
        silent = set(self.settings) - set(asked) - WIDTHS
        assert not silent, f"the reference of {self} does not take {', '.join(sorted(silent))}"
        return self.derived(_listed(ours), _listed(theirs), **{k: v for k, v in known.items() if k in asked})

    def _flat(self, shapes: tuple[Shape, ...], samples: int | None) -> Shape:
        count = samples or shapes[0][0]
        if not self.made.several:
            return (count, *shapes[0][1:])
        return (count, sum(prod(each[1:]) for each in shapes))

    def _shrunk(self, shape: Shape) -> Shape:
        if len(shape) == 2 and self.alike and not self.fixed:
            return (4, 5)
        return (4, shape[1], 3, 2) if len(shape) == 4 else (4, *shape[1:])


def _layers(shape: Any) -> tuple[Shape, ...]:
    return tuple(shape) if isinstance(shape[0], tuple) else (shape,)


def _listed(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().tolist()
    return [_listed(each) for each in value] if isinstance(value, tuple | list) else value
