"""What teachers share that are copies of their student."""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.tasks import Classification, Task, observe
from limbeck.types import Batch, Outputs


class Copied(nn.Module):
    """A network of the student's structure and weights of its own, which teaches: eval mode, no gradient.

    Unlike :class:`Frozen` it is a module, since its weights change in training: registered in a scheme it is saved,
    moved and resumed with it. Its state has the same names and shapes from the beginning. It runs in the precision
    in which the student does.

    Args:
        student: is copied, with its weights and buffers.
        role: which of the batch's inputs it reads, where models have their own.

    Raises:
        LimbeckError: not a module.
    """

    def __init__(self, student: nn.Module, role: str = "teacher"):
        super().__init__()
        if not isinstance(student, nn.Module):
            raise LimbeckError(
                f"{type(self).__name__} copies a torch module, not {type(student).__name__}: give it the student."
            )
        self.model = copy.deepcopy(student).requires_grad_(False)
        self.role = role
        self.forwards = 0
        self.eval()

    def train(self, mode: bool = True) -> "Copied":
        """Stay in eval mode, whatever mode the scheme around it is put in."""
        super().train(False)
        return self

    def forward(self, batch: Batch, task: Task | None = None, names: Sequence[str] = ()) -> Outputs:
        """Return the outputs for ``batch`` (see :class:`limbeck.teachers.Teacher`)."""
        if any(module.training for module in self.modules()):  # someone called train() on the copy
            self.eval()
        self.forwards += len(batch)
        with torch.no_grad():
            return observe(task or Classification(), self.model, batch, self.role, names)

    def parameters_beside(self, student: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
        """Return this copy's parameters and the student's on the same device, in one order, each once."""
        ours, theirs = dict(self.model.named_parameters()), dict(student.named_parameters())
        self._refuse_another(ours, theirs)
        return list(ours.values()), [theirs[name].detach().to(each.device) for name, each in ours.items()]

    def buffers_beside(self, student: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield each of this copy's buffers with the student's on the same device."""
        ours, theirs = dict(self.model.named_buffers()), dict(student.named_buffers())
        self._refuse_another(ours, theirs)
        for name, each in ours.items():
            yield each, theirs[name].detach().to(each.device)

    def _refuse_another(self, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
        differs = [
            name
            for name in {**ours, **theirs}
            if name not in ours or name not in theirs or ours[name].shape != theirs[name].shape
        ]
        if differs:
            raise LimbeckError(
                f"{type(self).__name__} is a copy of another network, or this one was changed since: {differs[0]!r} "
                "differs. Make it of the student that it is to follow."
            )
