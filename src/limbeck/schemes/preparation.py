"""A first stage in which a loss learns from the teacher alone (Kim et al. 2018, factor transfer)."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.schemes.base import Scheme
from limbeck.schemes.schedule import told
from limbeck.schemes.term import Term
from limbeck.schemes.wired import known_again, layers_to_tap
from limbeck.tasks import Task
from limbeck.teachers import Teacher
from limbeck.types import Batch


class Preparation(Scheme):
    """Train what some losses must know of the teacher before they can teach; the student waits.

    Kim, Park, Kwak, "Paraphrasing Complex Network: Network Compression via Factor Transfer", NeurIPS 2018, arXiv
    1802.04977: an autoencoder of the teacher's features is trained first, and frozen afterwards. The loss says so by
    ``prepares``, and gives the first stage's loss by ``preparation(teacher)``.

    Args:
        student: is neither run nor changed; what validation reads.
        teacher: any :class:`limbeck.teachers.Teacher`.
        terms: those with a loss that prepares.
        task: knows how the teacher is called.

    Raises:
        LimbeckError: no term has anything to prepare.

    Example:
        >>> Preparation.partial
        True
    """

    partial = True

    def __init__(self, student: nn.Module, teacher: Teacher, terms: Sequence[Term], task: Task):
        super().__init__(task)
        preparing = [term for term in terms if getattr(term.loss, "prepares", False)]
        if not preparing:
            raise LimbeckError("No loss of these terms learns from the teacher first: leave this stage out.")
        self.student = student
        self.teacher = teacher
        self.terms = nn.ModuleList(preparing)
        self._wanted = layers_to_tap(task, [term.teacher for term in preparing])

    def forward(self, batch: Batch, phase: str = "main", group: int = 0) -> dict[str, Tensor]:
        """Return one part for each term that prepares."""
        known = self.teacher(batch, self.task, self._wanted)
        return {term.name: term.loss.preparation(term.taught(known)) for term in self._terms()}

    def _terms(self) -> list[Any]:
        return list(self.terms)

    def parameter_groups(self, phase: str = "main") -> list[dict[str, Any]]:
        """Return the losses' own parameters: the student is not trained here."""
        parameters = [each for term in self._terms() for each in term.loss.parameters()]
        return [{"params": [each for each in parameters if each.requires_grad]}]

    @property
    def forwards(self) -> Mapping[str, int]:
        """Return one forward of the teacher."""
        return {"teacher": 1}

    def deployable(self) -> nn.Module:
        """Return the student as it was."""
        return self.student

    def identity(self) -> dict[str, str]:
        """Return task, terms and, where it has one, the teacher's fingerprint."""
        return {
            **super().identity(),
            "terms": repr(self.terms) + "".join(told(each.weight) for each in self._terms()),
            "teacher": known_again(self.teacher),
        }
