"""Revisiting knowledge distillation via label smoothing regularization (Yuan et al., CVPR 2020)."""

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.functional import full_precision
from limbeck.losses import DistillationLoss, LabelSmoothingTeacher
from limbeck.schemes.base import Scheme
from limbeck.schemes.schedule import Schedule, told, value_at
from limbeck.schemes.term import Term, checked_weight
from limbeck.schemes.wired import as_terms, smallest_batch
from limbeck.tasks import Classification, Task
from limbeck.tasks.classification import one_class_each
from limbeck.types import Batch, Context, Outputs

LOGITS = "logits"


class TeacherFree(Scheme):
    """The student learns from a teacher made by hand, which is right with a set probability and even otherwise.

    Yuan, Tay, Li, Wang, Feng, "Revisiting Knowledge Distillation via Label Smoothing Regularization" (Tf-KD_reg), CVPR
    2020, arXiv 1909.11723. No network teaches, and so none is run.

    Definition:
        With y the label and C classes, the virtual teacher's logits are log a for y and log((1 − a) / (C − 1)) for
        every other class, a = ``probability``::

            loss = task_weight · hard loss + Σ_terms weight · term(student, virtual teacher)

        Unless told the only term is :class:`limbeck.losses.LabelSmoothingTeacher` at T = 20 with weight 0.1, and
        task_weight is 0.9. Samples without a label have no such teacher and count in neither part.

    Differs from the paper:
        As :class:`limbeck.losses.LabelSmoothingTeacher` says: T², and what is softened. The paper's other way, a
        student taught by an earlier training of itself (Tf-KD_self), is BornAgain with one generation.

    When it helps:
        As label smoothing does: a network that overfits or is too sure, and no teacher at hand.

    Args:
        student: the network to train.
        terms: losses on logits that learn from the virtual teacher; a bare loss stands for a term of weight 1.
        task: classification, with settings of your own.
        task_weight: weight of the hard loss, at least 0, or a schedule.
        probability: a, from 0.5 to 0.9999; 0.99 in the public code.

    Raises:
        LimbeckError: settings out of range; another task than classification; terms on layers, or that relate samples
            to one another; no terms, or two of one name.

    Example:
        >>> import torch
        >>> scheme = TeacherFree(nn.Linear(4, 3))
        >>> sorted(scheme(Batch(torch.zeros(2, 4), torch.tensor([0, 1]))))
        ['LabelSmoothingTeacher', 'task']
    """

    paper: ClassVar[str] = "Yuan, Tay, Li, Wang, Feng 2020, arXiv 1909.11723"

    def __init__(
        self,
        student: nn.Module,
        terms: Sequence[Term | DistillationLoss] | None = None,
        task: Task | None = None,
        task_weight: float | Schedule = LabelSmoothingTeacher.usual_weights[0],
        probability: float = 0.99,
    ):
        super().__init__(task or Classification())
        if LOGITS not in self.task.outputs:
            raise LimbeckError(
                f"TeacherFree's teacher knows classes only, and {self.task.name} has none: use Supervised, or a scheme "
                "with a teacher."
            )
        self.virtual = LabelSmoothingTeacher(probability)
        if terms is None:
            terms = [Term(self.virtual, weight=LabelSmoothingTeacher.usual_weights[1])]
        self.student = student
        self.terms = nn.ModuleList(_usable(term) for term in as_terms("TeacherFree", terms, self.task))
        self.task_weight = checked_weight("task_weight", task_weight)

    def forward(self, batch: Batch, phase: str = "main", group: int = 0) -> dict[str, Tensor]:
        """Return ``task`` and one part for each term."""
        one_class_each("TeacherFree", batch.targets)
        outputs = self.task.call(self.student, batch, "student")
        parts = {"task": value_at(self.task_weight, self.progress) * self.hard_loss(outputs, batch)}
        logits, targets, index = _labelled(outputs[LOGITS], batch)
        for term in self.terms:
            assert isinstance(term, Term)
            if targets is None:
                parts[term.name] = logits.sum() * 0.0
                continue
            known, virtual = Outputs({LOGITS: logits}), Outputs({LOGITS: self._taught(term, targets, logits)})
            parts[term.name] = term(known, virtual, Context(targets, index, self.progress))
        return parts

    def _taught(self, term: Term, targets: Tensor, logits: Tensor) -> Tensor:
        """Return the virtual teacher's logits, which LabelSmoothingTeacher makes itself."""
        if isinstance(term.loss, LabelSmoothingTeacher):
            return logits.detach()
        flat = full_precision(logits.detach()).flatten(0, -2)
        return self.virtual.logits(targets.flatten(), flat).view(logits.shape)

    @property
    def smallest_batch(self) -> int:
        """Fewest samples that every term accepts."""
        return smallest_batch(self.terms)

    def deployable(self) -> nn.Module:
        """Return the bare student."""
        return self.student

    def identity(self) -> dict[str, str]:
        """Return task, weight, terms and the virtual teacher."""
        return {
            **super().identity(),
            "task_weight": told(self.task_weight),
            "terms": repr(self.terms),
            "probability": str(self.virtual.probability),
        }


def _usable(term: Term) -> Term:
    if (term.student, term.teacher) != (LOGITS, LOGITS):
        raise LimbeckError(
            f"TeacherFree's teacher has logits and no layers, so {term.name} cannot learn {term.student!r} from "
            f"{term.teacher!r}: give it losses on logits."
        )
    if getattr(term.loss, "relates_samples", False):
        raise LimbeckError(
            f"{term.name} relates samples to one another, but TeacherFree's teacher says the same of all samples of a "
            "class: give it losses that take samples one by one, such as KD."
        )
    return term


def _labelled(logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Return logits, targets and index of the samples that have a label; targets are ``None`` if none has."""
    if batch.targets is None or batch.labelled is None:
        return logits, batch.targets, batch.index
    kept = batch.labelled.nonzero().squeeze(1)
    if not len(kept):
        return logits, None, None
    return logits[kept], batch.targets[kept], None if batch.index is None else batch.index[kept]
