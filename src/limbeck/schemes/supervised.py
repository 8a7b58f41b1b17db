"""No teacher: the baseline that every distilled student is held against."""

from torch import Tensor, nn

from limbeck.schemes.base import Scheme
from limbeck.tasks import Classification, Task
from limbeck.types import Batch


class Supervised(Scheme):
    """Train a network on its labels alone.

    Args:
        student: the network.
        task: what the labels mean; classification unless told.
        role: which of the batch's inputs it reads, where models have their own.

    Example:
        >>> import torch
        >>> scheme = Supervised(nn.Linear(4, 3))
        >>> list(scheme(Batch(torch.zeros(2, 4), torch.tensor([0, 1]))))
        ['task']
    """

    shardable = True

    def __init__(self, student: nn.Module, task: Task | None = None, role: str = "student"):
        super().__init__(task or Classification())
        self.student = student
        self.role = role

    def forward(self, batch: Batch, phase: str = "main", group: int = 0) -> dict[str, Tensor]:
        """Return the task's loss under the name ``task``."""
        return {"task": self.hard_loss(self.task.call(self.student, batch, self.role), batch)}

    def deployable(self) -> nn.Module:
        """Return the network."""
        return self.student
