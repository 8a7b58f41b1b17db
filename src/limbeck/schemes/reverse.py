"""The student teaches the teacher (Yuan et al., CVPR 2020)."""

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from limbeck.errors import LimbeckError
from limbeck.losses import KD, DistillationLoss, LogitRegression
from limbeck.schemes.offline import Offline
from limbeck.schemes.schedule import Schedule
from limbeck.schemes.term import Term
from limbeck.tasks import Classification, Task
from limbeck.teachers import Teacher


class Reverse(Offline):
    """The large network learns from the labels and from a small or poorly trained one, and is what is shipped.

    Yuan, Tay, Li, Wang, Feng, "Revisiting Knowledge Distillation via Label Smoothing Regularization", CVPR 2020, arXiv
    1909.11723: reversed distillation (Re-KD), in which a student teaches its teacher, and distillation by a defective
    teacher (De-KD), whose training was broken off early. Both help nearly as much as a good teacher does, from which
    the paper concludes that soft targets regularise at least as much as they inform.

    Definition:
        loss = task_weight · hard loss + Σ weight · term(outputs of the learner, outputs of the weaker network): that
        of :class:`limbeck.Offline`, with the two networks in each other's place. Unless told, as in the paper with the
        settings of its public code, 0.4 · CE + 0.6 · T² · KL(p_weaker ‖ p_learner) at T = 20.

    Differs from the paper:
        The KL is a sum over classes, as the paper writes it. Its public code takes the mean over classes too, so that
        0.6 there is 0.6 / C here: ``[Term(losses.KD(temperature=20), weight=0.006)]`` repeats its runs with 100
        classes.

    When it helps:
        When the large network itself is to become better and none better is at hand. The gain is that of label
        smoothing, rarely more than a point; a weak network whose weight is too high pulls the learner down to it.

    Args:
        learner: the network to train: in reversed distillation, the teacher of ordinary distillation.
        weaker: who teaches, wrapped as a teacher: ``Frozen(small)``, or ``Frozen`` of a network from early in its
            training.
        terms: what is taught, ``student`` in a term naming the learner's output; see the definition for ``None``. In
            a regression, ``None`` is 0.6 · LogitRegression.
        task: what the labels mean; classification unless told.
        task_weight: weight of the hard loss, above 0 or a schedule.

    Raises:
        LimbeckError: nothing better than the weaker network to learn from, as there are no labels; what
            :class:`limbeck.Offline` refuses.

    Example:
        >>> import torch
        >>> from limbeck import Batch, Frozen
        >>> large, small = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 3)), nn.Linear(4, 3)
        >>> scheme = Reverse(large, Frozen(small))
        >>> sorted(scheme(Batch(torch.zeros(2, 4), torch.tensor([0, 1])))), scheme.deployable() is large
        (['KD', 'task'], True)
    """

    paper: ClassVar[str] = "Yuan, Tay, Li, Wang, Feng 2020, arXiv 1909.11723"

    def __init__(
        self,
        learner: nn.Module,
        weaker: Teacher,
        terms: Sequence[Term | DistillationLoss] | None = None,
        task: Task | None = None,
        task_weight: float | Schedule = 0.4,
    ):
        task = task or Classification()
        if not callable(task_weight) and not task_weight:
            raise LimbeckError(
                "Without labels, Reverse has only a weaker network to learn from: give task_weight a number above 0."
            )
        super().__init__(learner, weaker, _usual(task) if terms is None else terms, task, task_weight)


def _usual(task: Task) -> list[Term]:
    name = task.outputs[0]
    loss = KD(temperature=20) if task.name == "classification" else LogitRegression()
    return [Term(loss, student=name, teacher=name, weight=0.6)]
