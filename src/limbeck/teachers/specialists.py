"""A generalist, and specialists for the classes it confuses (Hinton, Vinyals, Dean 2015, section 5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from limbeck.checks import between, whole
from limbeck.data.source import digest
from limbeck.errors import LimbeckError
from limbeck.functional import ABSENT, consensus, full_precision
from limbeck.tasks import Classification, Task
from limbeck.teachers.base import Teacher
from limbeck.teachers.dustbin import checked_classes, refuse_no_dustbin
from limbeck.teachers.panel import asked, checked_teachers, known_by
from limbeck.types import Batch, Outputs


@dataclass(frozen=True)
class Specialist:
    """A teacher of a few classes, and of one dustbin class for all others.

    Args:
        teacher: answers one logit for each of ``classes``, in order, and last the dustbin's.
        classes: indices among the generalist's classes.
        correction: added to the dustbin's logit: :attr:`limbeck.teachers.SpecialistSet.correction`.

    Raises:
        LimbeckError: no teacher; classes that are empty, repeated or no indices; a correction that is not finite.

    Example:
        >>> from limbeck import Frozen
        >>> Specialist(Frozen(torch.nn.Linear(4, 3)), [7, 2]).classes
        (7, 2)
    """

    teacher: Teacher
    classes: Sequence[int]
    correction: float = 0.0

    def __post_init__(self) -> None:
        checked_teachers("A specialist", [self.teacher])
        object.__setattr__(self, "classes", checked_classes(self.classes))
        between("correction", self.correction, float("-inf"), float("inf"))


class Specialists:
    """A generalist that asks specialists about the classes it confuses, and answers what all of them agree on most.

    Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv 1503.02531, section 5.

    Definition:
        1. k are the ``top`` most probable classes by the generalist's p_g;
        2. active are the specialists A whose classes meet k; only they are asked, each about its own samples only;
        3. the answer is log q, of the distribution q over all classes that minimises
           KL(p_g ‖ q) + Σ_{m ∈ A} KL(p_m ‖ q), where a specialist's dustbin is compared with the sum of q over all the
           classes that are not its own (equation 5). Where nobody is active, q = p_g.

    Differs from the paper:
        It optimises the logits of q by gradient descent for each image; here the problem, which is convex in q, is
        solved for all samples at once by Newton's method to 1e-9 nats (:func:`limbeck.functional.consensus`).

    When it helps:
        When there are many classes that fall into families, and the generalist errs within them: specialists learn
        fast, and apart from each other. The more of them cover a class, the more they help. They cannot mend an error
        across families. The whole can teach one student.

    Layers are those of the generalist.

    Args:
        generalist: a teacher of all classes.
        specialists: each with its classes; they may overlap.
        top: how many of the generalist's classes call specialists (the paper: 1).
        classes: how many classes there are; learnt from the generalist's first answer unless told, and with it what
            can be refused only then.

    Raises:
        LimbeckError: something that is no teacher or no specialist; no specialists; ``top`` below 1 or above the number
            of classes; a specialist of a class that does not exist, or of all; at a batch, an answer of another width
            than its classes and a dustbin.

    Example:
        >>> from limbeck import Frozen
        >>> generalist, cats = Frozen(torch.nn.Linear(4, 5)), Specialist(Frozen(torch.nn.Linear(4, 3)), [1, 3])
        >>> teacher = Specialists(generalist, [cats], classes=5)
        >>> teacher(Batch(torch.randn(8, 4)))["logits"].exp().sum(1).round(decimals=4).tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """

    def __init__(
        self, generalist: Teacher, specialists: Sequence[Specialist], top: int = 1, classes: int | None = None
    ):
        self.generalist = checked_teachers("Specialists", [generalist])[0]
        given: Any = specialists
        if isinstance(given, Specialist) or not all(isinstance(each, Specialist) for each in given):
            raise LimbeckError("Specialists takes a list of them: [Specialist(teacher, classes), …].")
        if not given:
            raise LimbeckError("Specialists needs at least one: [Specialist(teacher, classes)].")
        self.specialists = tuple(specialists)
        self.top = whole("top", top)
        self.forwards = 0
        self._members: Tensor | None = None
        if classes is not None:
            self._members = self._checked_members(whole("classes", classes, 2))

    def __call__(self, batch: Batch, task: Task | None = None, names: Sequence[str] = ()) -> Outputs:
        """Return the agreed answer for ``batch`` (see :class:`limbeck.teachers.Teacher`)."""
        task = task or Classification()
        if task.outputs[0] != "logits":
            raise LimbeckError(f"Specialists tell classes apart, and {task.name} has none.")
        outputs = asked(self, self.generalist, batch, task, names)
        logits = full_precision(outputs["logits"])
        members = self._members_for(logits)
        called = members[:, logits.topk(self.top, dim=1).indices].any(2)  # (M, N)
        mass = logits.softmax(1)
        pooled = mass.new_zeros(len(mass), len(members))
        for number, (one, active) in enumerate(zip(self.specialists, called, strict=True)):
            rows = active.nonzero().flatten()
            if len(rows):
                answer = self._answer(number, one, _rows_of(batch, rows), task)
                own = torch.tensor(one.classes, device=rows.device)
                mass[rows[:, None], own] += answer[:, :-1]
                pooled[rows, number] = answer[:, -1]
        agreed = consensus(mass, pooled, ~members).log()
        alone = logits.log_softmax(1).clamp_min(ABSENT)
        return Outputs({**outputs, "logits": torch.where(called.any(0)[:, None], agreed, alone)})

    def fingerprint(self) -> str:
        """Return a SHA-256 of the generalist, the specialists, their classes and corrections."""
        each = [f"{one.classes} {one.correction!r} {known_by(one.teacher)}" for one in self.specialists]
        return digest(["Specialists", str(self.top), known_by(self.generalist), *each])

    def _answer(self, number: int, one: Specialist, batch: Batch, task: Task) -> Tensor:
        """Return a specialist's probabilities of its own classes and, last, of the dustbin."""
        logits = full_precision(asked(self, one.teacher, batch, task)["logits"])
        if logits.dim() != 2 or logits.shape[1] != len(one.classes) + 1:
            raise LimbeckError(
                f"Specialist {number + 1} has {len(one.classes)} classes and a dustbin, but answers "
                f"{tuple(logits.shape)}: it must give {len(one.classes) + 1} logits, the dustbin's last."
            )
        bias = logits.new_zeros(logits.shape[1])
        bias[-1] = one.correction
        return (logits + bias).softmax(1)

    def _members_for(self, logits: Tensor) -> Tensor:
        """Return which classes each specialist has, (M, C) bool, on the device of the generalist's answer."""
        if logits.dim() != 2:
            raise LimbeckError(
                f"Specialists read logits (N, C) of their generalist, not {tuple(logits.shape)}."
            )
        classes = logits.shape[1]
        if self._members is None:
            self._members = self._checked_members(classes)
        if self._members.shape[1] != classes:
            raise LimbeckError(
                f"The generalist answers for {classes} classes, but Specialists counts {self._members.shape[1]}."
            )
        if self._members.device != logits.device:
            self._members = self._members.to(logits.device)
        return self._members

    def _checked_members(self, classes: int) -> Tensor:
        if self.top > classes:
            raise LimbeckError(f"The top {self.top} of {classes} classes are more than there are: lower top.")
        members = torch.zeros(len(self.specialists), classes, dtype=torch.bool)
        for number, one in enumerate(self.specialists):
            refuse_no_dustbin(one.classes, classes)
            members[number, list(one.classes)] = True
        return members


def _rows_of(batch: Batch, rows: Tensor) -> Batch:
    """Return some samples of a batch, without their targets, which do not count as a specialist counts."""
    index, view = (None if each is None else each[rows] for each in (batch.index, batch.view))
    return Batch(_taken(batch.inputs, rows), index=index, view=view)


def _taken(inputs: Any, rows: Tensor) -> Any:
    if isinstance(inputs, Mapping):
        return {name: _taken(each, rows) for name, each in inputs.items()}
    return inputs[rows]
