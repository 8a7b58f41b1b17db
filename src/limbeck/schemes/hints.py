"""A first stage in which hidden layers learn alone (Romero et al. 2015, FitNets)."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn

from limbeck.schemes.offline import Offline
from limbeck.schemes.term import Term
from limbeck.tasks import Task
from limbeck.teachers import Teacher
from limbeck.types import Batch


class Hints(Offline):
    """The terms alone, without labels: the student learns up to its guided layers, the rest waits.

    Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015, arXiv 1412.6550. The first of two stages: what
    lies behind the guided layer gets no gradient, and so is not decayed either. AnnealingKD's first stage, on the
    logits, is trained by the same scheme.

    Args:
        student: the network to train.
        teacher: any :class:`limbeck.teachers.Teacher`.
        terms: what is taught: :class:`limbeck.losses.FitNets` between the guided and the hint layer.
        task: what the labels mean; they are not used, but validation is.

    Raises:
        LimbeckError: as for :class:`Offline`.

    Example:
        >>> import torch
        >>> from limbeck import Frozen, losses
        >>> scheme = Hints(nn.Sequential(nn.Linear(4, 3)), Frozen(nn.Sequential(nn.Linear(4, 3))),
        ...                [Term(losses.LogitRegression(), student="0", teacher="0")])
        >>> list(scheme(Batch(torch.zeros(2, 4), torch.tensor([0, 1]))))
        ['LogitRegression']
    """

    forwards: ClassVar[Mapping[str, int]] = {"student": 1, "teacher": 1}
    partial: ClassVar[bool] = True

    def __init__(self, student: nn.Module, teacher: Teacher, terms: Sequence[Term], task: Task | None = None):
        super().__init__(student, teacher, terms, task, task_weight=0.0)

    def forward(self, batch: Batch, phase: str = "main", group: int = 0) -> dict[str, Tensor]:
        """Return one part for each term."""
        return {name: part for name, part in super().forward(batch).items() if name != "task"}
