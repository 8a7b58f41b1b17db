"""From the settings of what is taught to terms between the layers of two networks."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from limbeck.adapters import Matches, Orthogonal, Pair, Resize, match_layers, pair_of
from limbeck.errors import LimbeckError
from limbeck.recipes.knowledge import Taught
from limbeck.schemes import Term
from limbeck.schemes.schedule import Schedule
from limbeck.taps import tapped
from limbeck.tasks import Task
from limbeck.types import Batch


@dataclass(frozen=True)
class Wiring:
    """A student, its teacher, and what is known of both.

    Args:
        student: the network that learns.
        teacher: the network that teaches, or ``None`` where the teacher is none: then only outputs can be taught.
        example: a few samples, as both read them.
        task: names the outputs.
        samples: indices of the transfer set, or how many it has.
        seed: of the initial weights of adapters and learnable losses.
        prefix: before the names of the teacher's layers, where it is one of several.
    """

    student: nn.Module
    teacher: nn.Module | None
    example: Batch
    task: Task
    samples: int | Tensor
    seed: int = 0
    prefix: str = ""

    @functools.cached_property
    def matches(self) -> Matches:
        """The layers of both networks that belong together."""
        return match_layers(self.student, self._network(), self._examples)

    def terms(self, every: Sequence[tuple[Taught, float | Schedule]]) -> list[Term]:
        """Return the terms of several losses, each with its weight, between the layers it names or usually takes.

        Raises:
            LimbeckError: layers that do not exist or cannot be bridged; a loss whose place the networks lack.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            terms = [term for taught, weight in every for term in self._terms(taught, weight)]
        seen: dict[str, int] = {}
        for term in terms:
            seen[term.name] = seen.get(term.name, 0) + 1
            if seen[term.name] > 1:
                term.name += f" {seen[term.name]}"
        return terms

    def _terms(self, taught: Taught, weight: float | Schedule) -> list[Term]:
        shared: dict[str, Any] = {"weight": weight, "schedules": taught.schedules()}
        if taught.kind.place == "logits" and not taught.pairs:
            name = self.task.outputs[0]
            return [Term(self._loss(taught), name, name, **shared)]
        pairs = self._pairs(taught)
        if taught.kind.several:
            return [self._group(taught, pairs, shared)]
        return [
            Term(
                self._loss(
                    self._fitted(taught, pair),
                    student_channels=pair.student_shape[0],
                    teacher_channels=pair.teacher_shape[0],
                ),
                pair.student,
                f"{self.prefix}{pair.teacher}",
                adapter=_joined(pair.student_form, *_bridges(taught, pair)),
                teacher_adapter=pair.teacher_form,
                name=taught.loss if len(pairs) == 1 else f"{taught.loss} {pair.student}",
                **shared,
            )
            for pair in pairs
        ]

    def _group(self, taught: Taught, pairs: Sequence[Pair], shared: dict[str, Any]) -> Term:
        return Term(
            self._loss(
                taught,
                student_channels=tuple(pair.student_shape[0] for pair in pairs),
                teacher_channels=tuple(pair.teacher_shape[0] for pair in pairs),
            ),
            [pair.student for pair in pairs],
            [f"{self.prefix}{pair.teacher}" for pair in pairs],
            adapter=[_joined(pair.student_form, *_bridges(taught, pair)) for pair in pairs],
            teacher_adapter=[pair.teacher_form for pair in pairs],
            **shared,
        )

    def _fitted(self, taught: Taught, pair: Pair) -> Taught:
        """Let SimKD's projector end without a ReLU where the teacher's map takes both signs, unless one was told."""
        if taught.loss != "SimKD" or "rectified" in taught.options:
            return taught
        with torch.no_grad(), tapped(self._network(), {"map": pair.teacher}) as taps:
            self._network()(self.example.inputs_for("teacher"))
        rectified = bool((taps["map"] >= 0).all())
        return taught.model_copy(update={"options": {**taught.options, "rectified": rectified}})

    def _pairs(self, taught: Taught) -> tuple[Pair, ...]:
        if not taught.pairs:
            try:
                return self.matches.at(taught.kind.place)
            except LimbeckError as error:
                raise LimbeckError(f"{taught.loss}: {error}") from error
        parts = [text.partition("=") for text in taught.pairs]
        return tuple(
            pair_of(self.student, self._network(), self._examples, student.strip(), teacher.strip())
            for student, _, teacher in parts
        )

    def _loss(self, taught: Taught, **channels: Any) -> Any:
        return taught.build(samples=self.samples, **channels)

    @property
    def _examples(self) -> tuple[Any, Any]:
        return self.example.inputs_for("student"), self.example.inputs_for("teacher")

    def _network(self) -> nn.Module:
        if self.teacher is None:
            raise LimbeckError(
                "This teacher is not a network, so it has outputs but no layers: use a loss on the outputs, such as KD."
            )
        return self.teacher


def _bridges(taught: Taught, pair: Pair) -> list[nn.Module | None]:
    """Return what brings the student's tensor to the teacher's shape, for a loss that wants one shape."""
    if not taught.kind.same_shape:
        return []
    if not taught.kind.orthogonal:
        return [pair.adapter()]
    size = pair.teacher_shape[1:]
    resized = Resize((size[0], size[1])) if len(size) == 2 and size != pair.student_shape[1:] else None
    return [resized, Orthogonal(pair.student_shape[0], pair.teacher_shape[0])]


def _joined(*modules: nn.Module | None) -> nn.Module | None:
    found = [module for module in modules if module is not None]
    if not found:
        return None
    return found[0] if len(found) == 1 else nn.Sequential(*found)
