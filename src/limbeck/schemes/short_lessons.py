"""Distillation that ends early while the hard loss goes on (Cho, Hariharan, ICCV 2019)."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn

from limbeck.checks import between
from limbeck.errors import LimbeckError
from limbeck.losses import KD, DistillationLoss, LogitRegression
from limbeck.schemes.offline import Offline
from limbeck.schemes.schedule import Schedule, value_at
from limbeck.schemes.term import Term
from limbeck.tasks import Classification, Task
from limbeck.teachers import Teacher
from limbeck.types import Batch


class ShortLessons(Offline):
    """The teacher teaches for the first part of the training only; then the student goes on with its labels alone.

    Cho, Hariharan, "On the Efficacy of Knowledge Distillation", ICCV 2019, arXiv 1910.01348 (ESKD): a student too small
    to follow its teacher lowers the distillation loss at the expense of the hard loss towards the end of training, so
    the paper stops distilling early. Its other remedy, a teacher whose own training was stopped early, is a matter
    of which weights the teacher is given: any scheme may have one.

    Definition:
        With f the share of the optimizer steps that are done, by ``scheme.progress``, which :func:`limbeck.fit` sets
        and a loop of one's own must set::

            f < until:   loss = task_weight · hard loss + Σ weight · term
            f >= until:  loss = task_weight · hard loss

        From then on the teacher is not asked any more and costs nothing, and adapters and other learnable parts of
        terms keep what they have learnt. Unless told, the only term is KD at T = 4, of weight 1.

    Differs from the paper:
        The end is a share of the steps, not an epoch. ``task_weight`` does not change there by itself: where hard and
        soft losses share a weight of one, as in the paper, give it ``Step(0.1, 1.0, at=until)``.

    When it helps:
        When the student is much smaller than the teacher and distillation helps early but hurts late; and when the
        teacher is expensive, since it is asked only about ``until`` of the batches.

    Args:
        student: the network to train.
        teacher: any :class:`limbeck.teachers.Teacher`.
        terms: what is taught until then; see the definition for ``None``. In a regression, ``None`` is LogitRegression.
        task: what the labels mean; classification unless told.
        task_weight: weight of the hard loss, above 0 or a schedule.
        until: share of the optimizer steps after which the lessons are over, above 0 and below 1.

    Raises:
        LimbeckError: lessons that last to the end or never begin; no labels to go on with, in the constructor or, at
            the first batch after the lessons, where it has none; what :class:`limbeck.Offline` refuses.

    Example:
        >>> import torch
        >>> from limbeck import Batch, Frozen
        >>> from limbeck.types import Progress
        >>> scheme = ShortLessons(nn.Linear(4, 3), Frozen(nn.Linear(4, 3)), until=0.5)
        >>> batch = Batch(torch.zeros(2, 4), torch.tensor([0, 1]))
        >>> sorted(scheme(batch)), dict(scheme.forwards)
        (['KD', 'task'], {'student': 1, 'teacher': 1})
        >>> scheme.progress = Progress(step=5, total_steps=10)
        >>> sorted(scheme(batch)), dict(scheme.forwards)
        (['task'], {'student': 1})
    """

    paper: ClassVar[str] = "Cho, Hariharan 2019, arXiv 1910.01348"

    def __init__(
        self,
        student: nn.Module,
        teacher: Teacher,
        terms: Sequence[Term | DistillationLoss] | None = None,
        task: Task | None = None,
        task_weight: float | Schedule = 1.0,
        until: float = 0.5,
    ):
        task = task or Classification()
        if not callable(task_weight) and not task_weight:
            raise LimbeckError(
                "After short lessons the student goes on with its labels alone: give task_weight a number above 0."
            )
        usual = KD(temperature=4) if task.name == "classification" else LogitRegression()
        super().__init__(student, teacher, [usual] if terms is None else terms, task, task_weight)
        self.until = between("until", until, 0, 1)
        if self.until in (0, 1):
            raise LimbeckError(
                f"Short lessons end within the training, at a share of it above 0 and below 1, not at {until:g}: use "
                f"{'Supervised' if until == 0 else 'Offline'}."
            )
        self.partial = True  # what only the lessons train gets no gradient afterwards

    @property
    def over(self) -> bool:
        """Whether the lessons are over, as training stands."""
        return self.progress.fraction >= self.until

    def forward(self, batch: Batch, phase: str = "main", group: int = 0) -> dict[str, Tensor]:
        """Return ``task`` and, until the lessons are over, one part for each term."""
        if not self.over:
            return super().forward(batch, phase, group)
        if batch.targets is None:
            raise LimbeckError(
                f"The lessons were over after {self.until:.0%} of the training, but this batch has no labels to go on "
                "with: give labelled data, or use Offline."
            )
        outputs = self.task.call(self.student, batch, "student")
        assert self.task_weight is not None
        return {"task": value_at(self.task_weight, self.progress) * self.hard_loss(outputs, batch)}

    @property
    def forwards(self) -> Mapping[str, int]:
        """Return one forward of the student and, until the lessons are over, one of the teacher."""
        return {"student": 1} if self.over else {"student": 1, "teacher": 1}

    def identity(self) -> dict[str, str]:
        """Return also when the lessons end."""
        return {**super().identity(), "until": f"{self.until!r}"}
