"""The protocol of all teachers."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from limbeck.tasks import Task
from limbeck.types import Batch, Outputs


@runtime_checkable
class Teacher(Protocol):
    """Gives, for a batch, what it knows of each sample; never trained, never part of a scheme's parameters.

    Attributes:
        forwards: samples the teacher has been run on, counted as cost.
    """

    forwards: int

    def __call__(self, batch: Batch, task: Task | None = None, names: Sequence[str] = ()) -> Outputs:
        """Return the outputs for ``batch``, on its device, with no gradient.

        Args:
            batch: the samples.
            task: knows how a model is called; without one, a tensor is taken as classification logits.
            names: outputs wanted; those that are not the task's own are layers to tap.
        """


@runtime_checkable
class Differentiable(Teacher, Protocol):
    """A teacher that also tells how its outputs change with its inputs, as one that guides a generator must.

    Example:
        >>> from torch import nn
        >>> from limbeck.teachers import Frozen, Predictor
        >>> isinstance(Frozen(nn.Linear(2, 2)), Differentiable), isinstance(Predictor(len), Differentiable)
        (True, False)
    """

    def with_gradient(self, batch: Batch, task: Task | None = None, names: Sequence[str] = ()) -> Outputs:
        """Return the outputs with their gradient to the batch's inputs; the teacher's weights take none.

        Args:
            batch: the samples.
            task: knows how a model is called; without one, a tensor is taken as classification logits.
            names: outputs wanted; those that are not the task's own are layers to tap.
        """
