"""The student's own snapshot teaches the last part of its training."""

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.losses import KD, DistillationLoss, LogitRegression
from limbeck.schemes.schedule import Schedule, told, value_at
from limbeck.schemes.self_taught import SelfTaught, usual_terms
from limbeck.schemes.term import Term, checked_weight
from limbeck.tasks import Classification, Task
from limbeck.teachers import Snapshot
from limbeck.types import Batch


class LastEpochs(SelfTaught):
    """The student learns from labels alone; late in training a snapshot of it is taken, which teaches it until the end.

    Self-distillation within one training: no teacher is trained first and no second generation follows. The nearest
    published method is Yang, Xie, Su, Yuille, "Snapshot Distillation: Teacher-Student Optimization in One Generation",
    CVPR 2019, arXiv 1812.00123.

    Definition:
        With S optimizer steps in all, s of them done, the snapshot is taken before the first step with
        s / S ≥ ``start``, or before the last step where that comes first::

            before:  loss = hard loss
            after:   loss = task_weight · hard loss + Σ_terms weight · term(student, snapshot)

        Unless told, task_weight is 0.5 and the only term KD at T = 2 with weight 0.5 (in regression LogitRegression
        with weight 0.5). The snapshot is in eval mode and reads the same samples as the student.

    Differs from the paper:
        Yang et al. restart the learning rate in cycles and take the last snapshot of each as the teacher of the
        next, with other temperatures and weights. Here there is one snapshot and the learning rate is left to the
        plan: with a schedule that has fallen to nearly zero the student can no longer move away from its snapshot.

    When it helps:
        Long trainings that overfit at the end; it costs one more forward of the student for the last part. The gain is
        small, as the snapshot knows nothing that the student has not known: compare over several seeds.

    Args:
        student: the network to train.
        terms: what the snapshot teaches; a bare loss stands for a term on the task's first output, of weight 1.
        task: what the labels mean; classification unless told.
        task_weight: weight of the hard loss once the snapshot teaches, at least 0, or a schedule.
        start: share of the optimizer steps, above 0 and below 1, after which the snapshot teaches.

    Raises:
        LimbeckError: settings out of range; no terms, or two of one name; a student with nothing to train.

    Example:
        >>> import torch
        >>> from limbeck.types import Progress
        >>> scheme = LastEpochs(nn.Linear(4, 3), start=0.5)
        >>> batch = Batch(torch.zeros(2, 4), torch.tensor([0, 1]))
        >>> scheme.progress = Progress(step=0, total_steps=2)
        >>> scheme.before_step(); sorted(scheme(batch))
        ['task']
        >>> scheme.progress.step = 1
        >>> scheme.before_step(); sorted(scheme(batch))
        ['KD', 'task']
    """

    paper: ClassVar[str] = "after Yang, Xie, Su, Yuille 2019, arXiv 1812.00123"
    teacher: Snapshot

    def __init__(
        self,
        student: nn.Module,
        terms: Sequence[Term | DistillationLoss] | None = None,
        task: Task | None = None,
        task_weight: float | Schedule = 0.5,
        start: float = 0.7,
    ):
        task = task or Classification()
        super().__init__(student, Snapshot(student), _usual(task) if terms is None else terms, task)
        if isinstance(start, bool) or not isinstance(start, int | float) or not 0 < start < 1:
            raise LimbeckError(
                f"start is the share of the training after which the snapshot teaches, above 0 and below 1, such as "
                f"0.7, not {start!r}."
            )
        self.task_weight = checked_weight("task_weight", task_weight)
        self.start = float(start)
        self.partial = self.learnable_terms

    @property
    def teaches(self) -> bool:
        """Whether the last part of the training has begun."""
        return self._teaches_at(self.progress.step)

    def _teaches_at(self, step: int) -> bool:
        total = max(1, self.progress.total_steps)
        return step / total >= self.start or step >= max(1, total - 1)

    def before_step(self) -> None:
        """Take the snapshot before the first step of the last part."""
        # Told by the step alone, so that a resumed training does as one that was never stopped.
        if self.teaches and not self._teaches_at(self.progress.step - 1):
            self.teacher.take(self.student)

    def forward(self, batch: Batch, phase: str = "main", group: int = 0) -> dict[str, Tensor]:
        """Return ``task`` alone, and once the snapshot teaches one part for each term beside it."""
        if not self.teaches:
            return self.from_labels(batch)
        return self.from_both(batch, value_at(self.task_weight, self.progress))

    def identity(self) -> dict[str, str]:
        """Return task, terms, weight and when the snapshot is taken."""
        return {**super().identity(), "task_weight": told(self.task_weight), "start": str(self.start)}


def _usual(task: Task) -> list[Term]:
    return usual_terms(
        "LastEpochs",
        task,
        Term(KD(temperature=2), weight=0.5),
        Term(LogitRegression(), "value", "value", weight=0.5),
    )
