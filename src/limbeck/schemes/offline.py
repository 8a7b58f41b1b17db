"""A frozen teacher, any terms (Hinton, Vinyals, Dean 2015)."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.losses import DistillationLoss
from limbeck.schemes.base import Scheme
from limbeck.schemes.schedule import Schedule, told, value_at
from limbeck.schemes.term import Names, Term, checked_weight, names_of
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
        if isinstance(teacher, nn.Module):
            raise LimbeckError("Give Offline a teacher, not a bare module: limbeck.Frozen(model).")
        given: Any = terms
        if isinstance(given, Term | DistillationLoss):
            raise LimbeckError(f"Offline takes a list of terms: put {type(given).__name__}(…) into brackets.")
        wired = [each if isinstance(each, Term) else _plain_term(each, self.task) for each in terms]
        if not wired:
            raise LimbeckError(
                "Offline needs at least one term: [Term(losses.KD(temperature=4))] is a usual start."
            )
        names = [term.name for term in wired]
        twice = sorted({name for name in names if names.count(name) > 1 or name == "task"})
        if twice:
            raise LimbeckError(f"Two parts of the loss are called {twice[0]!r}: give a term its own name=.")
        _refuse_shared_weights(student, teacher)
        self.student = student
        self.teacher = teacher
        self.terms = nn.ModuleList(wired)
        self.deploy = deploy
        self.task_weight = None if task_weight is None else checked_weight("task_weight", task_weight)
        self.partial = task_weight is None
        self._wanted_of_student = _layers(self.task, [term.student for term in wired])
        self._wanted_of_teacher = _layers(self.task, [term.teacher for term in wired])

    def forward(self, batch: Batch, phase: str = "main", group: int = 0) -> dict[str, Tensor]:
        """Return ``task`` and one part for each term."""
        known = self.teacher(batch, self.task, self._wanted_of_teacher)
        outputs = observe(self.task, self.student, batch, "student", self._wanted_of_student)
        context = Context(self.task.labels(batch), batch.index, self.progress)
        parts = {}
        if self.task_weight is not None and batch.targets is not None:
            parts["task"] = value_at(self.task_weight, self.progress) * self.task.loss(outputs, batch)
        for term in self.terms:
            assert isinstance(term, Term)
            parts[term.name] = term(outputs, known, context)
        return parts

    @property
    def smallest_batch(self) -> int:
        """Fewest samples that every term accepts."""
        return max(getattr(term.loss, "smallest_batch", 1) for term in self.terms if isinstance(term, Term))

    @property
    def forwards(self) -> Mapping[str, int]:
        """Return one forward of each."""
        return {"student": 1, "teacher": 1}

    def deployable(self) -> nn.Module:
        """Return the bare student, or what was given to be shipped in its place."""
        return self.student if self.deploy is None else self.deploy

    def identity(self) -> dict[str, str]:
        """Return task, weights, terms and, where it has one, the teacher's fingerprint."""
        fingerprint = getattr(self.teacher, "fingerprint", None)
        return {
            **super().identity(),
            "task_weight": "none" if self.task_weight is None else told(self.task_weight),
            "terms": repr(self.terms),
            "teacher": fingerprint() if fingerprint else type(self.teacher).__name__,
        }


def _plain_term(loss: object, task: Task) -> Term:
    if not isinstance(loss, DistillationLoss):
        raise LimbeckError(
            f"Offline takes terms, such as Term(losses.KD(temperature=4), weight=0.9), not {loss!r}."
        )
    return Term(loss, student=task.outputs[0], teacher=task.outputs[0])


def _refuse_shared_weights(student: nn.Module, teacher: Teacher) -> None:
    """A frozen teacher's parameters take no gradient, so a student that shares them would not learn."""
    known = getattr(teacher, "model", None)
    if not isinstance(known, nn.Module):
        return
    frozen = {id(each) for each in known.parameters()}
    if any(id(each) in frozen for each in student.parameters()):
        raise LimbeckError(
            "Student and teacher share weights: give the teacher a copy, Frozen(copy.deepcopy(model))."
        )


def _layers(task: Task, groups: Sequence[Names]) -> tuple[str, ...]:
    """Return the names that are layers to tap, each once."""
    names = [name for group in groups for name in names_of(group)]
    return tuple(dict.fromkeys(name for name in names if name not in task.outputs))
