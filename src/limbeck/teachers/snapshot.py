"""The student as it was at one moment."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.tasks import Task
from limbeck.teachers.copied import Copied
from limbeck.types import Batch, Outputs


class Snapshot(Copied):
    """The student's weights and buffers as :meth:`take` found them, which teach until the next take.

    A module with a state of its own: register it in the scheme, which then saves, moves and resumes it.

    Args:
        student: the network whose snapshots are taken; until the first one there is no teacher.
        role: which of the batch's inputs it reads, where models have their own.

    Raises:
        LimbeckError: not a module; asked before the first snapshot; a snapshot of a network of another structure.

    Example:
        >>> student = nn.Linear(4, 3)
        >>> teacher = Snapshot(student)
        >>> teacher.take(student)
        >>> batch = Batch(torch.ones(2, 4))
        >>> torch.equal(teacher(batch)["logits"], student(batch.inputs))
        True
    """

    taken: Tensor

    def __init__(self, student: nn.Module, role: str = "teacher"):
        super().__init__(student, role)
        self.register_buffer("taken", torch.zeros((), dtype=torch.int64))
        self._is_taken = False

    @torch.no_grad()
    def take(self, student: nn.Module) -> None:
        """Copy the student's weights and buffers, batch statistics included.

        Args:
            student: the network that this teacher was made of.
        """
        for copies, originals in zip(*self.parameters_beside(student), strict=True):
            copies.copy_(originals)
        for copies, originals in self.buffers_beside(student):
            copies.copy_(originals)
        self.taken += 1

    def forward(self, batch: Batch, task: Task | None = None, names: Sequence[str] = ()) -> Outputs:
        """Return the outputs for ``batch`` (see :class:`limbeck.teachers.Teacher`)."""
        # Looked at until it is true, and no more: on a GPU each look waits for the device.
        self._is_taken = self._is_taken or bool(self.taken)
        if not self._is_taken:
            raise LimbeckError(
                "No snapshot was taken that could teach: in a loop of your own set the scheme's progress and call its "
                "before_step, after_step and after_epoch, as limbeck.fit does."
            )
        return super().forward(batch, task, names)
