"""Self-knowledge distillation with progressive refinement of targets (Kim et al., ICCV 2021)."""

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from limbeck.checks import between
from limbeck.errors import LimbeckError
from limbeck.functional import log_softened
from limbeck.losses import BoundedRegression, DistillationLoss
from limbeck.losses.rows import rows
from limbeck.schemes.schedule import Schedule, told
from limbeck.schemes.self_taught import SelfTaught, usual_terms
from limbeck.schemes.term import Term
from limbeck.tasks import Classification, Task
from limbeck.teachers import Snapshot
from limbeck.types import Batch, Context


class Progressive(SelfTaught):
    """Targets mix the label with the student's own prediction of one epoch ago, which counts more and more.

    Kim, Ji, Yoon, Hwang, "Self-Knowledge Distillation with Progressive Refinement of Targets" (PS-KD), ICCV 2021,
    arXiv 2006.12000.

    Definition:
        In epoch t of T, t = 1, …, with y the one-hot label, p the student's softmax and p' that of the student as it
        was at the end of epoch t − 1, in eval mode, on the same samples::

            a_1 = 0,  a_t = weight · t / T
            loss = mean over samples of − Σ over classes of [(1 − a_t) y + a_t p'] log p

        which is (1 − a_t) · hard loss + a_t · cross-entropy from p', and is logged as these two, ``task`` and
        ``last epoch``. A sample without a label counts in the second part only. In regression the same holds of the
        squared error to the mixed target, but for a constant. Terms of your own stand in for the second part, with a_t
        as a factor besides their weights.

    Differs from the paper:
        The public code keeps, in place of the network, each sample's prediction from the training step in which it
        was last seen: under another augmentation, in training mode, and from some step of the last epoch. Here the
        network itself is kept, as the paper's formula has it, for one more forward of each batch.

    When it helps:
        A network that overfits or is too sure of itself: it regularises as label smoothing does, but sample by sample,
        and most of its gain is in calibration. With few epochs there is little for a_t to grow over.

    Args:
        student: the network to train.
        terms: what the last epoch's network teaches; a bare loss stands for a term on the task's first output.
        task: what the labels mean; classification unless told.
        weight: a_T, from 0 to 1, reached in the last epoch (0.8 in the paper); or a schedule that gives a_t itself.

    Raises:
        LimbeckError: a weight out of range; no terms, or two of one name; at the first step, a single epoch.

    Example:
        >>> import torch
        >>> from limbeck.types import Progress
        >>> scheme = Progressive(nn.Linear(4, 3))
        >>> scheme.progress = Progress(epochs=2)
        >>> batch = Batch(torch.zeros(2, 4), torch.tensor([0, 1]))
        >>> sorted(scheme(batch))
        ['task']
        >>> scheme.after_epoch(); scheme.progress.epoch = 1
        >>> sorted(scheme(batch))
        ['last epoch', 'task']
    """

    paper: ClassVar[str] = "Kim, Ji, Yoon, Hwang 2021, arXiv 2006.12000"
    teacher: Snapshot

    def __init__(
        self,
        student: nn.Module,
        terms: Sequence[Term | DistillationLoss] | None = None,
        task: Task | None = None,
        weight: float | Schedule = 0.8,
    ):
        task = task or Classification()
        super().__init__(student, Snapshot(student), _usual(task) if terms is None else terms, task)
        self.weight = weight if callable(weight) else between("weight", weight, 0.0, 1.0)
        self.partial = self.learnable_terms

    @property
    def teaches(self) -> bool:
        """Whether there is an epoch before this one."""
        return self.progress.epoch > 0

    def share(self) -> float:
        """Return a_t: how much of the target is the student's own prediction in this epoch."""
        if not self.teaches:
            return 0.0
        if callable(self.weight):
            return between("The schedule of Progressive's weight", self.weight(self.progress), 0.0, 1.0)
        return self.weight * (self.progress.epoch + 1) / self.progress.epochs

    def before_step(self) -> None:
        """Refuse a training that has no last epoch to learn from."""
        if self.progress.epochs < 2:
            raise LimbeckError(
                "Progressive learns from the epoch before, so it needs at least 2 epochs: train for longer, or in a "
                "loop of your own set scheme.progress."
            )

    def after_epoch(self) -> None:
        """Keep the student as it is now: the next epoch's teacher."""
        self.teacher.take(self.student)

    def forward(self, batch: Batch, phase: str = "main", group: int = 0) -> dict[str, Tensor]:
        """Return ``task`` alone in the first epoch, then the two parts of the mixed target's loss."""
        if not self.teaches:
            return self.from_labels(batch)
        share = self.share()
        return self.from_both(batch, 1 - share, share)

    def identity(self) -> dict[str, str]:
        """Return task, terms and the weight."""
        return {**super().identity(), "weight": told(self.weight)}


class _SoftTargets(DistillationLoss):
    """Cross-entropy of the student against the teacher's probabilities: its share of a mixed target's loss."""

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return − Σ over classes of p_t log p_s, a mean over rows."""
        log_s, log_t = (log_softened(each) for each in rows("Progressive", student, teacher))
        return -(log_t.exp() * log_s).sum(-1).mean()


def _usual(task: Task) -> list[Term]:
    return usual_terms(
        "Progressive",
        task,
        Term(_SoftTargets(), name="last epoch"),
        Term(BoundedRegression("value"), "value", "value", name="last epoch"),
    )
