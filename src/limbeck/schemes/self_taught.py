"""What schemes have in common whose teacher is a copy of the student."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.losses import DistillationLoss
from limbeck.schemes.base import Scheme
from limbeck.schemes.term import Term
from limbeck.schemes.wired import as_terms, layers_to_tap, smallest_batch
from limbeck.tasks import Classification, Regression, Task, observe
from limbeck.teachers.copied import Copied
from limbeck.types import Batch, Context


class SelfTaught(Scheme):
    """A student that learns from its labels and, while there is one, from a copy of itself.

    The copy is part of the scheme: saved, moved and resumed with it, but never trained nor deployed. A subclass says
    when it changes, when it teaches and how much.

    Args:
        student: the network to train.
        teacher: the copy of it.
        terms: what is taught; layers need no adapter, since both networks have the same.
        task: what the labels mean.

    Raises:
        LimbeckError: a student with nothing to train; no terms, or two of one name.
    """

    teacher: Copied

    def __init__(
        self, student: nn.Module, teacher: Copied, terms: Sequence[Term | DistillationLoss], task: Task
    ):
        super().__init__(task)
        scheme = type(self).__name__
        if not any(each.requires_grad for each in student.parameters()):
            raise LimbeckError(
                f"{scheme} has nothing to train, as all of the student's parameters are frozen: call "
                "student.requires_grad_(True) first."
            )
        wired = as_terms(scheme, terms, task)
        self.student = student
        self.teacher = teacher
        self.terms = nn.ModuleList(wired)
        self._wanted_of_student = layers_to_tap(task, [term.student for term in wired])
        self._wanted_of_teacher = layers_to_tap(task, [term.teacher for term in wired])

    @property
    def teaches(self) -> bool:
        """Whether the copy teaches, as training stands."""
        return True

    def from_labels(self, batch: Batch) -> dict[str, Tensor]:
        """Return the hard loss alone, under the name ``task``; the copy is not run."""
        return {"task": self.hard_loss(self.task.call(self.student, batch, "student"), batch)}

    def from_both(self, batch: Batch, task_weight: float, share: float = 1.0) -> dict[str, Tensor]:
        """Return the weighted hard loss, where there are targets, and one part for each term.

        Args:
            batch: the samples.
            task_weight: of the hard loss.
            share: what every term is multiplied by, besides its own weight.
        """
        known = self.teacher(batch, self.task, self._wanted_of_teacher)
        outputs = observe(self.task, self.student, batch, "student", self._wanted_of_student)
        context = Context(self.task.labels(batch), batch.index, self.progress)
        parts = {}
        if batch.targets is not None:
            parts["task"] = task_weight * self.hard_loss(outputs, batch)
        for term in self.terms:
            assert isinstance(term, Term)
            parts[term.name] = share * term(outputs, known, context)
        return parts

    @property
    def learnable_terms(self) -> bool:
        """Whether a term has parameters, which get no gradient while the copy does not teach."""
        return any(each.requires_grad for each in self.terms.parameters())

    @property
    def smallest_batch(self) -> int:
        """Fewest samples that every term accepts."""
        return smallest_batch(self.terms)

    @property
    def forwards(self) -> Mapping[str, int]:
        """Return one forward of the student, and one of its copy while that teaches."""
        return {"student": 1, "teacher": 1} if self.teaches else {"student": 1}

    def deployable(self) -> nn.Module:
        """Return the bare student."""
        return self.student

    def identity(self) -> dict[str, str]:
        """Return the task and what is taught."""
        return {**super().identity(), "terms": repr(self.terms)}


def usual_terms(scheme: str, task: Task, of_logits: Term, of_values: Term) -> list[Term]:
    """Return what is taught unless told.

    Args:
        scheme: name of the scheme, for the message.
        task: what the labels mean.
        of_logits: for classification.
        of_values: for regression.

    Raises:
        LimbeckError: a task of another kind.

    Example:
        >>> from limbeck.losses import KD, LogitRegression
        >>> usual_terms("LastEpochs", Classification(), Term(KD()), Term(LogitRegression(), "value", "value"))[0].name
        'KD'
    """
    if isinstance(task, Classification | Regression):
        return [of_logits if isinstance(task, Classification) else of_values]
    raise LimbeckError(f"{scheme} has no usual term for {task.name}: say what is taught by terms=[Term(…)].")
