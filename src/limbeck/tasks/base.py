"""The contract every task keeps; nothing here knows what a class is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

from limbeck.taps import tapped
from limbeck.types import Batch, Outputs


class Metrics(Protocol):
    """Scores gathered batch by batch; over several processes ``compute`` joins them."""

    def update(self, outputs: Outputs, batch: Batch) -> None:
        """Take in one batch."""

    def compute(self) -> dict[str, float]:
        """Return every score by name."""

    def details(self) -> dict[str, Tensor]:
        """Return tables too large for a score, such as a confusion matrix; may be empty."""


class Task(ABC):
    """What the labels mean, how a model is called, and how its outputs are judged.

    Example:
        >>> from limbeck.tasks import Classification
        >>> isinstance(Classification(), Task)
        True
    """

    name: ClassVar[str]
    outputs: ClassVar[tuple[str, ...]]
    """Names of the outputs that ``call`` always gives; any other name is a layer to tap."""
    metric: ClassVar[str]
    """The score by which epochs are chosen and gain is told."""
    higher_is_better: ClassVar[bool]

    def call(self, model: nn.Module, batch: Batch, role: str = "student") -> Outputs:
        """Run ``model`` on what ``role`` reads of the batch, and name what it returns.

        A tensor takes the name of the task's first output; a mapping keeps its names.

        Args:
            model: any callable module.
            batch: the samples.
            role: which of the batch's inputs to read, where models have their own.
        """
        return self.named(model(batch.inputs_for(role)))

    def named(self, value: Any) -> Outputs:
        """Return what a model returned as named outputs."""
        if isinstance(value, Outputs):
            return value
        if isinstance(value, Mapping):
            return Outputs(value)
        if isinstance(value, list | tuple) and len(self.outputs) > 1:
            return Outputs(dict(zip(self.outputs, value, strict=True)))
        return Outputs({self.outputs[0]: value})

    @abstractmethod
    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Return the scalar loss against the hard targets, a mean over labelled samples."""

    def labels(self, batch: Batch) -> Any:
        """Return the targets on the outputs' scale, marked where there is none, as losses that read them expect."""
        return batch.targets

    @abstractmethod
    def metrics(self, full: bool = True) -> Metrics:
        """Return fresh metrics; ``full=False`` leaves out what is too slow for every epoch."""

    @abstractmethod
    def example_input(self) -> Tensor:
        """Return a batch of one, of the shape this task's models read."""


def observe(
    task: Task, model: nn.Module, batch: Batch, role: str = "student", names: Sequence[str] = ()
) -> Outputs:
    """Run ``model`` once and return its outputs together with the layers named.

    Args:
        task: knows how the model is called.
        model: the network.
        batch: the samples.
        role: which of the batch's inputs the model reads.
        names: outputs wanted; those that are not the task's own are layers to tap.

    Raises:
        LimbeckError: a layer that does not exist or did not run.

    Example:
        >>> import torch
        >>> from limbeck.tasks import Classification
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        >>> sorted(observe(Classification(), net, Batch(torch.zeros(1, 2)), names=["0"]))
        ['0', 'logits']
    """
    layers = {name: name for name in names if name not in task.outputs}
    if not layers:
        return task.call(model, batch, role)
    with tapped(model, layers) as taps:
        outputs = task.call(model, batch, role)
    return Outputs({**outputs, **taps})
