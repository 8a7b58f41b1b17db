"""A frozen teacher, any terms (Hinton, Vinyals, Dean 2015)."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from limbeck.losses import DistillationLoss
from limbeck.schemes.base import Scheme
from limbeck.schemes.schedule import Schedule, told, value_at
from limbeck.schemes.term import Term, checked_weight
from limbeck.schemes.wired import (
    as_terms,
    known_again,
    layers_to_tap,
    refuse_module_as_teacher,
    refuse_shared_weights,
    smallest_batch,
)
from limbeck.tasks import Classification, Task, observe
from limbeck.teachers import Teacher
from limbeck.types import Batch, Context


class Offline(Scheme):
    """The student learns from a teacher that no longer changes, and from the labels at T = 1.

    Hinton, Vinyals, Dean 2015, arXiv 1503.02531. The loss is ``task_weight`` · hard loss + Σ weight · term;
    weights are free and need not sum to one. With ``task_weight=None`` the labels are left out altogether: the first
    stage of FitNets (Romero et al. 2015, arXiv 1412.6550), in which a student learns up to its guided layer while
    what lies behind it gets no gradient and no decay.

    Args:
        student: the network to train.
        teacher: any :class:`limbeck.teachers.Teacher`; kept outside the scheme's parameters and state.
        terms: what is taught; a bare loss stands for a term on the task's first output, of weight 1.
        task: what the labels mean; classification unless told.
        task_weight: weight of the hard loss, at least 0, or a schedule; ``None`` leaves the labels out.
        deploy: what to ship in place of the bare student, made of its modules: SimKD's student with the teacher's
            classifier.

    Raises:
        LimbeckError: no terms; terms that share a name; a module given as teacher without ``Frozen``.

    Example:
        >>> import torch
        >>> from limbeck import Frozen, losses
        >>> scheme = Offline(nn.Linear(4, 3), Frozen(nn.Linear(4, 3)), [Term(losses.KD(), weight=0.9)],
        ...                  task_weight=0.1)
        >>> sorted(scheme(Batch(torch.zeros(2, 4), torch.tensor([0, 1]))))
        ['KD', 'task']
    """

    shardable = True

    def __init__(
        self,
        student: nn.Module,
        teacher: Teacher,
        terms: Sequence[Term | DistillationLoss],
        task: Task | None = None,
        task_weight: float | Schedule | None = 1.0,
        deploy: nn.Module | None = None,
    ):
        super().__init__(task or Classification())
        scheme = type(self).__name__
        refuse_module_as_teacher(scheme, teacher)
        wired = as_terms(scheme, terms, self.task)
        refuse_shared_weights(student, teacher)
        self.student = student
        self.teacher = teacher
        self.terms = nn.ModuleList(wired)
        self.deploy = deploy
        self.task_weight = None if task_weight is None else checked_weight("task_weight", task_weight)
        self.partial = task_weight is None
        self._wanted_of_student = layers_to_tap(self.task, [term.student for term in wired])
        self._wanted_of_teacher = layers_to_tap(self.task, [term.teacher for term in wired])

    def forward(self, batch: Batch, phase: str = "main", group: int = 0) -> dict[str, Tensor]:
        """Return ``task`` and one part for each term."""
        known = self.teacher(batch, self.task, self._wanted_of_teacher)
        outputs = observe(self.task, self.student, batch, "student", self._wanted_of_student)
        context = Context(self.task.labels(batch), batch.index, self.progress)
        parts = {}
        if self.task_weight is not None and batch.targets is not None:
            parts["task"] = value_at(self.task_weight, self.progress) * self.hard_loss(outputs, batch)
        for term in self.terms:
            assert isinstance(term, Term)
            parts[term.name] = term(outputs, known, context)
        return parts

    @property
    def smallest_batch(self) -> int:
        """Fewest samples that every term accepts."""
        return smallest_batch(self.terms)

    @property
    def forwards(self) -> Mapping[str, int]:
        """Return one forward of each."""
        return {"student": 1, "teacher": 1}

    def deployable(self) -> nn.Module:
        """Return the bare student, or what was given to be shipped in its place."""
        return self.student if self.deploy is None else self.deploy

    def identity(self) -> dict[str, str]:
        """Return task, weights, terms and, where it has one, the teacher's fingerprint."""
        return {
            **super().identity(),
            "task_weight": "none" if self.task_weight is None else told(self.task_weight),
            "terms": repr(self.terms),
            "teacher": known_again(self.teacher),
        }
