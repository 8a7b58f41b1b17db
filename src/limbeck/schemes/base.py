"""The contract between a scheme and the loop."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from limbeck.schemes.joined import labelled_share
from limbeck.tasks import Task
from limbeck.types import Batch, Outputs, Progress


class Scheme(nn.Module, ABC):
    """Turns a batch into named loss parts, whose sum is optimised.

    Everything learnable is a submodule: the student, adapters, learnable losses. Teachers are not.

    Example:
        >>> from limbeck.schemes import Supervised
        >>> isinstance(Supervised(nn.Linear(2, 2)), Scheme)
        True
    """

    phases: ClassVar[tuple[str, ...]] = ("main",)
    """Each phase has its own optimizer; adversarial and bilevel schemes have several."""
    partial: bool = False
    """Whether a step may leave some parameters without a gradient."""
    shardable: ClassVar[bool] = False
    """Whether the student may be spread over processes (FSDP): all that touches its weights is its own whole forward.
    Each class says so for itself; those that derive from it do not inherit it."""
    role: str = "student"
    """Which of the batch's inputs the deployable model reads, where models have their own."""
    task: Task
    progress: Progress

    def __init__(self, task: Task):
        super().__init__()
        self.task = task
        self.progress = Progress()

    @abstractmethod
    def forward(self, batch: Batch, phase: str = "main", group: int = 0) -> dict[str, Tensor]:
        """Return named loss parts, already weighted, each a scalar mean over the batch's samples."""

    def groups(self, batch: Batch) -> int:
        """Return in how many groups the loss parts come; the loop goes backward after each group."""
        return 1

    def parameter_groups(self, phase: str = "main") -> list[dict[str, Any]]:
        """Return the optimizer's parameter groups, learnable parts of losses and adapters included."""
        return [{"params": [each for each in self.parameters() if each.requires_grad]}]

    def hard_loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Return the task's loss, a mean over the labelled samples of the batch, over all processes.

        Args:
            outputs: of the network.
            batch: its labels.
        """
        loss = self.task.loss(outputs, batch)
        return loss if batch.labelled is None else loss * labelled_share(batch.labelled)

    @property
    def forwards(self) -> Mapping[str, int]:
        """Forwards of each model per batch, as training stands; a test holds the scheme to them."""
        return {"student": 1}

    @property
    def smallest_batch(self) -> int:
        """Fewest samples a batch may have."""
        return 1

    def before_step(self) -> None:
        """Run before each optimizer step's first forward."""

    def after_step(self) -> None:
        """Run after each optimizer step."""

    def after_epoch(self) -> None:
        """Run after each epoch."""

    @abstractmethod
    def deployable(self) -> nn.Module:
        """Return what inference needs and nothing more."""

    def identity(self) -> dict[str, str]:
        """Return what is not saved with the scheme and must be the same on resume."""
        return {"task": f"{type(self.task).__name__}({vars(self.task)})"}
