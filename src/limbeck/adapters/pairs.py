"""A layer of the student beside a layer of the teacher, and what brings the one to the other."""

from dataclasses import dataclass

from torch import nn

from limbeck.adapters.sizes import Resize
from limbeck.adapters.widths import Conv, Linear
from limbeck.errors import LimbeckError, did_you_mean

PLACES = ("logits", "embedding", "last map", "middle map", "every map")
"""Where losses listen, as :data:`limbeck.losses.base.Place` spells it."""


@dataclass(frozen=True)
class Pair:
    """A layer of the student and the layer of the teacher that it learns from.

    Each side's tensor first goes through its form, which has no parameters and brings it to a map (C, H, W) or a
    vector (D,); then :meth:`adapter` brings the student's width and size to the teacher's.

    Args:
        student: path of the student's layer, as taps spell it (``"fc@in"``).
        teacher: path of the teacher's layer.
        student_shape: shape of the student's side after its form, without the batch.
        teacher_shape: shape of the teacher's side after its form, without the batch.
        student_form: module without parameters for the student's tensor, or ``None`` where none is needed.
        teacher_form: likewise for the teacher's.
        why: in a line, why these two.

    Example:
        >>> pair = Pair("stage2", "layer3", (32, 8, 8), (256, 4, 4), None, None, "both at 1/8")
        >>> pair.adapter()
        Conv(
          size=(4, 4)
          (project): Conv2d(32, 256, kernel_size=(1, 1), stride=(1, 1), bias=False)
          (norm): BatchNorm2d(256, ...)
        )
        >>> pair.bridge
        'Conv 32→256, 8×8→4×4'
    """

    student: str
    teacher: str
    student_shape: tuple[int, ...]
    teacher_shape: tuple[int, ...]
    student_form: nn.Module | None
    teacher_form: nn.Module | None
    why: str

    def adapter(self) -> nn.Module | None:
        """Return a new bridge that, after ``student_form``, gives exactly ``teacher_shape``.

        ``None`` where the shapes agree already. Where the widths differ it is learnable, to be trained with the
        student.
        """
        if self.student_shape == self.teacher_shape:
            return None
        ours, theirs = self.student_shape[0], self.teacher_shape[0]
        if len(self.teacher_shape) == 3:
            size = self.teacher_shape[1:]
            if ours == theirs:
                return Resize((size[0], size[1]))
            return Conv(ours, theirs, (size[0], size[1]) if size != self.student_shape[1:] else None)
        return Linear(self.student_shape[-1], self.teacher_shape[-1])

    @property
    def bridge(self) -> str:
        """The forms and the adapter in a few words, or ``"none needed"``."""
        parts = [f"student {_named(self.student_form)}"] if self.student_form else []
        parts += [f"teacher {_named(self.teacher_form)}"] if self.teacher_form else []
        if self.student_shape != self.teacher_shape:
            parts.append(self._adapter_in_words())
        return "; ".join(parts) or "none needed"

    def _adapter_in_words(self) -> str:
        ours, theirs = self.student_shape, self.teacher_shape
        if len(theirs) != 3:
            return f"Linear {ours[-1]}→{theirs[-1]}"
        size = f"{_sides(ours[1:])}→{_sides(theirs[1:])}"
        if ours[0] == theirs[0]:
            return f"Resize {size}"
        return f"Conv {ours[0]}→{theirs[0]}" + (f", {size}" if ours[1:] != theirs[1:] else "")

    def row(self, place: str) -> dict[str, str]:
        """Return the pair as a row of a table, all in words."""
        return {
            "place": place,
            "student": self.student,
            "student shape": told_shape(self.student_shape),
            "teacher": self.teacher,
            "teacher shape": told_shape(self.teacher_shape),
            "bridge": self.bridge,
            "why": self.why,
        }


@dataclass(frozen=True)
class Matches:
    """Which layers of a student learn from which layers of a teacher, for each place where a loss may listen.

    Args:
        logits: the outputs of both.
        embedding: the vectors that the two classifiers read.
        every_map: the feature maps at the ends of stages, shallow to deep; empty where a network has none.
        missing: which network has no feature maps, when one has not.
        classifiers: paths of the student's and the teacher's classifier, ``None`` where there is none.

    Example:
        >>> from limbeck.adapters import match_layers
        >>> import torch
        >>> body = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU())
        >>> net = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
        >>> matches = match_layers(net, net, torch.zeros(1, 3, 8, 8))
        >>> [pair.student for pair in matches.at("embedding")], matches.last_map.student_shape
        (['3@in'], (4, 4, 4))
    """

    logits: Pair
    embedding: Pair
    every_map: tuple[Pair, ...] = ()
    missing: str = ""
    classifiers: tuple[str | None, str | None] = (None, None)

    @property
    def last_map(self) -> Pair | None:
        """The last maps before the classifiers."""
        return self.every_map[-1] if self.every_map else None

    @property
    def middle_map(self) -> Pair | None:
        """The maps half-way, where hints are given."""
        return self.every_map[(len(self.every_map) - 1) // 2] if self.every_map else None

    def at(self, place: str) -> tuple[Pair, ...]:
        """Return the pairs for a place, one for each layer where there are several.

        Args:
            place: ``"logits"``, ``"embedding"``, ``"last map"``, ``"middle map"`` or ``"every map"``.

        Raises:
            LimbeckError: no such place; maps of networks that have none.
        """
        if place not in PLACES:
            known = ", ".join(PLACES)
            raise LimbeckError(
                f"No place {place!r} in a network (there are: {known}).{did_you_mean(place, PLACES)}"
            )
        if place == "logits":
            return (self.logits,)
        if place == "embedding":
            return (self.embedding,)
        if self.last_map is None or self.middle_map is None:
            raise LimbeckError(
                f"{self.missing or 'One of the two networks'} has no feature maps (N, C, H, W): use a "
                "loss of the embedding or the logits, or name two layers that give tensors (N, C, H, W)."
            )
        return {"last map": (self.last_map,), "middle map": (self.middle_map,)}.get(place, self.every_map)

    def table(self) -> list[dict[str, str]]:
        """Return every pair of every place as rows to print, all in words."""
        rows = [self.logits.row("logits"), self.embedding.row("embedding")]
        for place in PLACES[2:]:
            rows += [pair.row(place) for pair in self.at(place)] if self.every_map else []
        return rows


def told_shape(shape: tuple[int, ...]) -> str:
    """Return a shape in a few characters.

    Example:
        >>> told_shape((64, 8, 8))
        '64×8×8'
    """
    return _sides(shape) or "scalar"


def _sides(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _named(form: nn.Module) -> str:
    steps = form if isinstance(form, nn.Sequential) else [form]
    return ", ".join(type(each).__name__ for each in steps)
