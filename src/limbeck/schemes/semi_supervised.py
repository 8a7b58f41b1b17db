"""The teacher labels what nobody has labelled (Lee 2013; Xie et al., CVPR 2020)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from limbeck.checks import between
from limbeck.errors import LimbeckError
from limbeck.functional import softened
from limbeck.losses import KD, DistillationLoss, LogitRegression
from limbeck.processes import apart
from limbeck.schemes.offline import Offline
from limbeck.schemes.schedule import Schedule, value_at
from limbeck.schemes.selection import (
    Counts,
    fair,
    nothing,
    selected,
    selected_batch,
    selected_outputs,
    selected_targets,
)
from limbeck.schemes.term import Term, names_of
from limbeck.tasks import Classification, Task, observe
from limbeck.teachers import Teacher
from limbeck.types import Batch, Context, Outputs


class SemiSupervised(Offline):
    """In each batch, labelled samples teach by their labels and unlabelled ones by what the teacher says of them.

    Lee, "Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks", ICML
    workshop 2013; Xie, Luong, Hovy, Le, "Self-Training with Noisy Student Improves ImageNet Classification", CVPR
    2020, arXiv 1911.04252. Labels of the teacher are soft with a term such as KD, the default, and hard with
    HardDistillation. FixMatch's two views (Sohn et al., NeurIPS 2020, arXiv 2001.07685) are inputs of their own: what
    the batch has for ``"teacher"``, weakly augmented, and for ``"student"``, strongly.

    Definition:
        With L the labelled samples of the batch, U the others, and P those of U for which the teacher's largest
        probability at T = 1 is at least ``threshold`` (all of U without one)::

            loss = task_weight · 1/|L| Σ_{n∈L} hard loss_n  +  Σ_terms weight · |P|/|U| · term(samples of P)

        A term that is a mean over samples is so the sum over P divided by |U|: samples below the threshold count as
        zeros, as in FixMatch, and the loss is small while few pass. With ``teach="all"`` the terms teach labelled
        samples too, and U is the whole batch. Where P has fewer samples than a term needs, that term is zero. Unless
        told, the only term is KD at T = 1, of weight 1: Noisy Student's cross-entropy with soft pseudo-labels, but
        for a constant.

    Differs from the paper:
        The teacher labels in training, so it may see each augmentation; the papers label once, in advance. Noisy
        Student also balances the classes of what it keeps.

    When it helps:
        With many unlabelled samples and a teacher clearly better than the student would be on the labels alone. A
        teacher trained on the same few labels helps far less, as its mistakes are taught too; a threshold keeps out
        some of them, but also the hard samples.

    Args:
        student: the network to train; run once on the whole batch.
        teacher: any :class:`limbeck.teachers.Teacher`; run on U alone.
        terms: what is taught on P; they see these samples only.
        task: what the labels mean; classification unless told. In a regression ``terms=None`` is LogitRegression.
        task_weight: weight of the hard loss, at least 0, or a schedule; ``None`` leaves the labels out.
        threshold: from 0 to below 1; FixMatch takes 0.95 with hard labels. Only for classification.
        teach: ``"unlabelled"`` samples, or ``"all"``.

    Raises:
        LimbeckError: a threshold that no sample could pass, or without classes; a term that reads labels where only
            unlabelled samples are taught; an unknown ``teach``; what :class:`limbeck.Offline` refuses.

    Example:
        >>> from limbeck import Frozen
        >>> scheme = SemiSupervised(nn.Linear(4, 3), Frozen(nn.Linear(4, 3)), threshold=0.9)
        >>> half = torch.tensor([True, False])
        >>> parts = scheme(Batch(torch.zeros(2, 4), torch.tensor([0, 0]), labelled=half))
        >>> parts["KD"].item(), scheme.kept
        (0.0, 0.0)
    """

    paper: ClassVar[str] = "Lee 2013; Xie, Luong, Hovy, Le 2020, arXiv 1911.04252"

    judged: Tensor

    def __init__(
        self,
        student: nn.Module,
        teacher: Teacher,
        terms: Sequence[Term | DistillationLoss] | None = None,
        task: Task | None = None,
        task_weight: float | Schedule | None = 1.0,
        threshold: float | None = None,
        teach: Literal["unlabelled", "all"] = "unlabelled",
    ):
        task = task or Classification()
        usual = KD(temperature=1) if task.name == "classification" else LogitRegression()
        super().__init__(student, teacher, [usual] if terms is None else terms, task, task_weight)
        if teach not in ("unlabelled", "all"):
            raise LimbeckError(f"SemiSupervised teaches 'unlabelled' samples or 'all', not {teach!r}.")
        if teach == "unlabelled":
            _refuse_labels(self.terms)
        self.threshold = _checked(threshold, task)
        self.teach = teach
        self.register_buffer("judged", torch.zeros(2, dtype=torch.int64))
        self._read = _names(term.student for term in self.terms)
        self._heard = _names(term.teacher for term in self.terms)

    @property
    def kept(self) -> float | None:
        """Share of the teacher's samples, over the training so far, that passed the threshold; ``None`` before any."""
        asked, passed = self.judged.tolist()
        return passed / asked if asked else None

    def forward(self, batch: Batch, phase: str = "main", group: int = 0) -> dict[str, Tensor]:
        """Return ``task`` and one part for each term."""
        outputs = observe(self.task, self.student, batch, "student", self._wanted_of_student)
        lesson = self._lesson(batch, outputs[self.task.outputs[0]].device)
        here, whole = lesson.here, lesson.whole
        parts = {}
        if self.task_weight is not None and batch.targets is not None:
            weight = value_at(self.task_weight, self.progress) * fair(
                here.labelled, here, whole.labelled, whole
            )
            parts["task"] = weight * self.task.loss(outputs, batch)
        chosen = selected_outputs(outputs, self._read, lesson.rows, here.samples)
        labels = selected_targets(self.task.labels(batch), lesson.rows)
        context = Context(labels, selected(batch.index, lesson.rows), self.progress)
        for term in self.terms:
            assert isinstance(term, Term)
            parts[term.name] = _part(term, chosen, lesson, context)
        return parts

    def identity(self) -> dict[str, str]:
        """Return also the threshold and what is taught."""
        return {**super().identity(), "threshold": repr(self.threshold), "teach": self.teach}

    def _lesson(self, batch: Batch, device: torch.device) -> "_Lesson":
        """Ask the teacher about its samples, and hear it on those where it is sure enough."""
        asked = self._asked(batch, device)
        # Terms that relate samples over processes need outputs of no samples where a process has none to ask about.
        known = (
            self._known(batch, asked if len(asked) else asked.new_zeros(1)) if len(asked) or apart() else None
        )
        passed = torch.arange(len(asked), device=device)
        if self.threshold is not None and known is not None and len(asked):
            passed = (self._certainty(known) >= self.threshold).nonzero().flatten()
        if known is not None:
            known = selected_outputs(known, self._heard, passed, max(1, len(asked)))
        labelled = 0 if batch.targets is None else len(batch)
        if batch.targets is not None and batch.labelled is not None:
            labelled = int(batch.labelled.sum())
        here = Counts(len(batch), labelled, len(asked), len(passed))
        whole = here.over_processes(device)
        if self.training:
            self.judged += self.judged.new_tensor([whole.asked, whole.chosen])
        return _Lesson(asked[passed], known, here, whole)

    def _asked(self, batch: Batch, device: torch.device) -> Tensor:
        """Return which samples the teacher labels."""
        everything = torch.arange(len(batch), device=device)
        if self.teach == "all" or batch.targets is None:
            return everything
        return everything[:0] if batch.labelled is None else everything[~batch.labelled]

    def _known(self, batch: Batch, rows: Tensor) -> Outputs:
        whole = len(rows) == len(batch)
        return self.teacher(
            batch if whole else selected_batch(batch, rows), self.task, self._wanted_of_teacher
        )

    def _certainty(self, known: Outputs) -> Tensor:
        largest = softened(known[self.task.outputs[0]], 1.0).amax(-1)
        if largest.dim() != 1:
            raise LimbeckError(
                f"A threshold judges one distribution for each sample, but the teacher gives {tuple(largest.shape)}: "
                "leave the threshold out."
            )
        return largest


@dataclass(frozen=True)
class _Lesson:
    """What is taught of a batch: which of its rows, what the teacher says of them, and how many they are."""

    rows: Tensor
    known: Outputs | None
    here: Counts
    whole: Counts


def _part(term: Term, chosen: Outputs, lesson: _Lesson, context: Context) -> Tensor:
    """Return a term's part of the loss, zero where it has too few samples."""
    here, whole = lesson.here, lesson.whole
    related = apart() and getattr(term.loss, "relates_samples", False)  # each process sees the samples of all
    there = whole.chosen if related else here.chosen
    if lesson.known is None or there < max(1, getattr(term.loss, "smallest_batch", 1)):
        return nothing(term, chosen)
    share = whole.chosen / whole.asked if related else fair(here.chosen, here, whole.asked, whole)
    part: Tensor = term(chosen, lesson.known, context)
    return share * part


def _refuse_labels(terms: Iterable[Any]) -> None:
    for term in terms:
        if "targets" in getattr(term.loss, "needs", ()):
            raise LimbeckError(
                f"{term.name} reads the label of each sample it teaches, and unlabelled samples have none: use KD or "
                "another loss without labels, or teach='all' to have it teach the labelled ones."
            )


def _names(groups: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for group in groups for name in names_of(group)))


def _checked(threshold: float | None, task: Task) -> float | None:
    if threshold is None:
        return None
    if task.name != "classification":
        raise LimbeckError(
            f"A threshold is for the probability of a class, which {task.name} has not: leave it out."
        )
    threshold = between("threshold", threshold, 0, 1)
    if threshold == 1:
        raise LimbeckError("No sample passes a threshold of 1, which leaves no data: 0.95 is a usual one.")
    return threshold
