"""Which layer of the student learns from which layer of the teacher, found by running each once."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from limbeck.adapters.pairs import Matches, Pair


def match_layers(student: nn.Module, teacher: nn.Module, example: Any) -> Matches:
    """Propose which layers of the student learn from which of the teacher, without naming any.

    Args:
        student: any network.
        teacher: any network.
        example: a batch that both read (one sample is enough), or where they read different ones a pair
            (student's, teacher's) or a mapping with ``"student"`` and ``"teacher"``.

    Returns:
        Pairs for each place where a loss may listen.

    Raises:
        LimbeckError: a network that does not run on its example, or gives no tensor.
    """
    raise NotImplementedError


def pair_of(
    student: nn.Module, teacher: nn.Module, example: Any, student_layer: str, teacher_layer: str
) -> Pair:
    """Return the pair of two layers that a person names, with the forms and the bridge it needs.

    Args:
        student: any network.
        teacher: any network.
        example: as for :func:`match_layers`.
        student_layer: path of a layer of the student, as taps spell it.
        teacher_layer: path of a layer of the teacher.

    Raises:
        LimbeckError: a layer that does not exist or did not run; two tensors that nothing here can bridge.
    """
    raise NotImplementedError


def _examples(example: Any) -> tuple[Any, Any]:
    if isinstance(example, Mapping) and {"student", "teacher"} <= set(example):
        return example["student"], example["teacher"]
    if isinstance(example, tuple) and len(example) == 2:
        return example
    return example, example
