"""What every loss promises."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.types import Context

Place = Literal["logits", "embedding", "last map", "middle map", "every map"]
"""Where in a network a loss listens: the outputs, the vector before the classifier, or maps (N, C, H, W)."""


class DistillationLoss(nn.Module, ABC):
    """A scalar that says how far the student is from what the teacher knows.

    Constructors store settings and check them; learnable parts are parameters and buffers, so that they
    train, move and checkpoint with the scheme. A constructor that must know widths takes them as
    ``student_channels`` and ``teacher_channels`` (an int, or one for each layer where ``several``), and the size
    of the transfer set as ``samples``: recipes fill these in by name.

    Example:
        >>> from limbeck.losses import KD
        >>> isinstance(KD(), DistillationLoss)
        True
    """

    paper: ClassVar[str] = ""
    """Authors, year, arXiv number."""
    kind: ClassVar[Literal["response", "feature", "relation"]] = "response"
    """Which knowledge it carries."""
    place: ClassVar[Place] = "logits"
    """Where its paper listens; where it is put unless a person names layers."""
    several: ClassVar[bool] = False
    """Whether student and teacher are tuples of tensors, one for each layer, rather than one tensor."""
    same_shape: ClassVar[bool] = True
    """Whether both sides must have one shape, so that layers of other widths or sizes need an adapter."""
    orthogonal: ClassVar[bool] = False
    """Whether the adapter before it must keep lengths and angles: :class:`limbeck.adapters.Orthogonal`."""
    usual_weights: ClassVar[tuple[float, float]] = (0.1, 0.9)
    """Weights of the hard loss and of this loss that its paper uses for classification, or its public code."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """Fields of :class:`limbeck.types.Context` without which it cannot run."""
    task: ClassVar[str | None] = None
    """The only task it is for, ``"classification"`` or ``"regression"``, where it is not for any."""
    smallest_batch: ClassVar[int] = 1
    """How many samples it needs to mean anything; the loop never gives it fewer."""
    relates_samples: ClassVar[bool] = False
    """Whether samples count together rather than one by one, so that the shares of several processes are joined."""
    alike: ClassVar[tuple[str, ...]] = ()
    """Buffers that several processes keep alike by themselves, so that nobody need send them around."""
    prepares: ClassVar[bool] = False
    """Whether its ``preparation(teacher) -> Tensor`` trains a part of it in a stage before the student learns; its
    ``prepared() -> nn.Module`` is that part, which is frozen afterwards."""
    first_stage: ClassVar[float] = 0.0
    """Share of the epochs of a first stage that is its alone, without labels, or its preparation's; 0 if none."""

    def __init__(self) -> None:  # so that a loss without settings shows none
        super().__init__()

    @abstractmethod
    def forward(self, student: Any, teacher: Any, context: Context | None = None) -> Tensor:
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


def distributions(loss: str, student: Tensor, teacher: Tensor) -> None:
    """Refuse what are not logits (N, C) or (N, L, C) of two or more classes, the same for both.

    Args:
        loss: name of the loss, for the message.
        student: (…, C).
        teacher: (…, C).

    Raises:
        LimbeckError: shapes that differ; no class axis; fewer than two classes.
    """
    same_shape(loss, student, teacher)
    if student.dim() < 2 or student.shape[-1] < 2:
        raise LimbeckError(
            f"{loss} compares distributions over classes (N, C), not outputs of shape {tuple(student.shape)}: "
            "for single values use LogitRegression."
        )


def same_samples(loss: str, student: Tensor, teacher: Tensor, smallest: int = 1) -> None:
    """Refuse tensors of different batches, and batches with too few samples to relate to one another.

    Args:
        loss: name of the loss, for the message.
        student: (N, …).
        teacher: (N, …).
        smallest: how many samples the loss needs.

    Raises:
        LimbeckError: other numbers of samples, or fewer than ``smallest``.
    """
    if student.dim() == 0 or teacher.dim() == 0 or student.shape[0] != teacher.shape[0]:
        raise LimbeckError(
            f"{loss} compares the same samples, but the student gives {tuple(student.shape)} and the teacher "
            f"{tuple(teacher.shape)}: run both on one batch."
        )
    if student.shape[0] < smallest:
        raise LimbeckError(
            f"{loss} relates samples to one another and needs at least {smallest} in a batch, not "
            f"{student.shape[0]}: give larger batches, and drop or merge a smaller last one."
        )


def same_layers(
    loss: str, student: Sequence[Tensor] | Tensor, teacher: Sequence[Tensor] | Tensor, least: int = 1
) -> None:
    """Refuse single tensors, too few layers, and layers that do not pair off.

    Args:
        loss: name of the loss, for the message.
        student: a tensor for each layer.
        teacher: as many.
        least: how many layers the loss needs.

    Raises:
        LimbeckError: a tensor in place of a tuple of them, fewer than ``least``, or other numbers of layers.
    """
    single = isinstance(student, Tensor) or isinstance(teacher, Tensor)
    if single or len(student) != len(teacher) or len(student) < least:
        given = "a tensor" if single else f"{len(student)} of the student and {len(teacher)} of the teacher"
        raise LimbeckError(
            f"{loss} takes tuples of tensors, one for each layer, as many of both and at least {least}, not "
            f"{given}: name the layers of both in pairs."
        )


def maps(loss: str, **tensors: Tensor) -> None:
    """Refuse what is not a batch of feature maps (N, C, H, W).

    Args:
        loss: name of the loss, for the message.
        **tensors: whose (``student=``, ``teacher=``) -> tensor.

    Raises:
        LimbeckError: not four-dimensional.
    """
    for whose, tensor in tensors.items():
        if tensor.dim() != 4:
            raise LimbeckError(
                f"{loss} reads feature maps (N, C, H, W), but the {whose} gives {tuple(tensor.shape)}: name a "
                "layer that gives maps, or put limbeck.adapters.TokensToMap before it."
            )


def needed(loss: str, context: Context | None, name: str) -> Any:
    """Return a field of the context that the loss cannot do without.

    Args:
        loss: name of the loss, for the message.
        context: what came with the batch.
        name: of the field: ``"targets"``, ``"index"``, ``"progress"``.

    Raises:
        LimbeckError: no context, or the field is missing.

    Example:
        >>> needed("CRD", Context(index=3), "index")
        3
    """
    value = getattr(context, name, None)
    if value is None:
        raise LimbeckError(
            f"{loss} needs the batch's {name}: call it with Context({name}=…) as its third argument, or give "
            f"the scheme batches that carry {name}."
        )
    return value
