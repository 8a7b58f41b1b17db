"""Mean teachers are better role models (Tarvainen & Valpola, NeurIPS 2017)."""

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

from torch import Tensor, nn

from limbeck.checks import between
from limbeck.errors import LimbeckError
from limbeck.losses import BoundedRegression, Consistency, DistillationLoss
from limbeck.schemes.schedule import Schedule, told, value_at
from limbeck.schemes.self_taught import SelfTaught, usual_terms
from limbeck.schemes.term import Term, checked_weight
from limbeck.tasks import Classification, Task
from limbeck.teachers import Ema
from limbeck.types import Batch

Deploy = Literal["teacher", "student"]


class MeanTeacher(SelfTaught):
    """The student agrees with the average of its own last weights on every sample, and with the labels where there are.

    Tarvainen, Valpola, "Mean teachers are better role models: Weight-averaged consistency targets improve
    semi-supervised deep learning results", NeurIPS 2017, arXiv 1703.01780. The average is a better model than any of
    the states it is made of, so what it says of a sample without a label is worth learning; and noise between the two
    (another augmentation, the student's dropout) keeps the agreement from being trivial.

    Definition:
        With f the share of the optimizer steps that are done and r(f) = exp(−5 (1 − min(1, f / ramp))²)::

            loss = task_weight · hard loss + r(f) · Σ_terms weight · term(student, teacher)
            after each step:  θ_teacher ← d · θ_teacher + (1 − d) · θ_student

        where d = min(1 − 1 / (t + 1), ``decay``) after step t (see :class:`limbeck.teachers.Ema`). The hard loss is a
        mean over the samples with a label, the terms over all samples. Unless told the only term is
        :class:`limbeck.losses.Consistency` with weight 100 (in regression the squared difference with weight 1). The
        student reads the batch's inputs for ``"student"`` and the teacher those for ``"teacher"``: two draws of the
        augmentation, where the data gives them.

    Differs from the paper:
        The teacher is in eval mode, without dropout, with averaged batch statistics. The paper's code takes the mean
        of the hard loss over all samples, those without a label counting zero, which makes it smaller by the labelled
        share. One decay throughout, where the paper begins with 0.99; no second head and no logit distance.

    When it helps:
        Few labels and many samples of the same kind without; augmentation that does not change the class. Where all
        samples are labelled it does little more than averaging weights does. It needs many steps: an average over
        1 / (1 − decay) steps is behind the student in a shorter training, so lower the decay there.

    Args:
        student: the network to train.
        terms: what the teacher teaches; a bare loss stands for a term on the task's first output, of weight 1.
        task: what the labels mean; classification unless told.
        task_weight: weight of the hard loss, at least 0, or a schedule.
        decay: d in the long run, at least 0 and below 1.
        ramp: share of the training over which the terms gain their full weight, from 0 (at once) to 1. The paper's is
            40,000 of 150,000 steps.
        deploy: ``"teacher"``, the average, as in the paper, or ``"student"``: what is validated and shipped.

    Raises:
        LimbeckError: settings out of range; no terms, or two of one name.

    Example:
        >>> import torch
        >>> scheme = MeanTeacher(nn.Linear(4, 3), decay=0.99)
        >>> inputs = {"student": torch.zeros(2, 4), "teacher": torch.ones(2, 4)}
        >>> sorted(scheme(Batch(inputs, torch.tensor([0, 1]))))
        ['Consistency', 'task']
        >>> sorted(scheme(Batch(inputs)))
        ['Consistency']
        >>> scheme.after_step()  # the teacher follows; limbeck.fit calls it
    """

    paper: ClassVar[str] = "Tarvainen, Valpola 2017, arXiv 1703.01780"
    teacher: Ema

    def __init__(
        self,
        student: nn.Module,
        terms: Sequence[Term | DistillationLoss] | None = None,
        task: Task | None = None,
        task_weight: float | Schedule = 1.0,
        decay: float = 0.999,
        ramp: float = 0.25,
        deploy: Deploy = "teacher",
    ):
        task = task or Classification()
        super().__init__(student, Ema(student, decay), _usual(task) if terms is None else terms, task)
        if deploy not in ("teacher", "student"):
            raise LimbeckError(f"MeanTeacher deploys 'teacher' or 'student', not {deploy!r}.")
        self.task_weight = checked_weight("task_weight", task_weight)
        self.ramp = between("ramp", ramp, 0.0, 1.0)
        self.deploy = deploy
        self.role = deploy  # what is deployed goes on reading what it read

    def forward(self, batch: Batch, phase: str = "main", group: int = 0) -> dict[str, Tensor]:
        """Return ``task``, where there are targets, and one part for each term."""
        return self.from_both(batch, value_at(self.task_weight, self.progress), self.share())

    def share(self) -> float:
        """Return r(f): how much of their weight the terms have by now."""
        done = 1.0 if self.progress.fraction >= self.ramp else self.progress.fraction / self.ramp
        return math.exp(-5 * (1 - done) ** 2)

    def after_step(self) -> None:
        """Let the teacher follow the student."""
        self.teacher.follow(self.student)

    def deployable(self) -> nn.Module:
        """Return the averaged network, or the student where that was asked for."""
        return self.teacher.model if self.deploy == "teacher" else self.student

    def identity(self) -> dict[str, str]:
        """Return task, terms, weight, decay, ramp and what is deployed."""
        return {
            **super().identity(),
            "task_weight": told(self.task_weight),
            "decay": str(self.teacher.decay),
            "ramp": str(self.ramp),
            "deploy": self.deploy,
        }


def _usual(task: Task) -> list[Term]:
    return usual_terms(
        "MeanTeacher",
        task,
        Term(Consistency(), weight=100.0),
        Term(BoundedRegression("value"), "value", "value", name="Consistency"),
    )
