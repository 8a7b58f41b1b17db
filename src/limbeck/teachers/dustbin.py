"""What a specialist learns: its own classes, and one dustbin class for all others (Hinton, Vinyals, Dean 2015)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from limbeck.checks import between
from limbeck.data.source import digest
from limbeck.errors import LimbeckError
from limbeck.functional import ABSENT, full_precision
from limbeck.tasks import Classification, Task
from limbeck.teachers.base import Teacher
from limbeck.teachers.panel import asked, checked_teachers, known_by
from limbeck.types import Batch, Outputs


@dataclass(frozen=True)
class SpecialistSet:
    """The training set of one specialist.

    Args:
        indices: (n,) int64, which samples, rising.
        targets: (n,) int64, their classes among the specialist's own, or the dustbin's, the last.
        correction: what to add to the trained specialist's dustbin logit.
    """

    indices: Tensor
    targets: Tensor
    correction: float


def specialist_set(targets: Tensor, classes: Sequence[int], seed: int = 0) -> SpecialistSet:
    """Return the samples a specialist is trained on: all of its own classes, and as many drawn from the rest.

    Hinton, Vinyals, Dean 2015, arXiv 1503.02531, section 5.2: "half its examples coming from its special subset and
    half sampled at random from the remainder of the training set"; afterwards the bias is corrected "by incrementing
    the logit of the dustbin class by the log of the proportion by which the specialist class is oversampled".

    Definition:
        With n samples of its own classes and r others, k = min(n, r) of which are drawn without replacement, its
        classes are oversampled against the rest by (n / k) / (n / r) = r / k, so the correction is log(r / k). By
        Bayes' rule it turns the exact posterior on this set into the exact one on all data.

    Args:
        targets: (N,) int64 class of each sample; below 0 where it has none.
        classes: of the specialist, in the order of its outputs.
        seed: of the draw.

    Raises:
        LimbeckError: classes that are empty, repeated or no indices; no sample of them, or of any other.

    Example:
        >>> found = specialist_set(torch.tensor([0, 1, 2, 2, 2, 2]), [1, 0])
        >>> found.targets.tolist()[:2], len(found.targets), round(found.correction, 4)  # log(4 / 2)
        ([1, 0], 4, 0.6931)
    """
    own = own_targets(targets, classes)
    inside = ((own >= 0) & (own < len(classes))).nonzero().flatten()
    outside = (own == len(classes)).nonzero().flatten()
    for found, what in (
        (inside, f"its classes {list(classes)}"),
        (outside, "another class, for its dustbin"),
    ):
        if not len(found):
            raise LimbeckError(f"A specialist has nothing to learn from: no sample is of {what}.")
    order = torch.randperm(len(outside), generator=torch.Generator().manual_seed(seed)).to(outside.device)
    drawn = outside[order[: len(inside)]]
    indices = torch.cat([inside, drawn]).sort().values
    return SpecialistSet(indices, own[indices], math.log(len(outside) / len(drawn)))


def own_targets(targets: Tensor, classes: Sequence[int]) -> Tensor:
    """Return each target's place in ``classes``, ``len(classes)`` where it is another, and as it is where below 0.

    Args:
        targets: (N,) int64.
        classes: of the specialist, in the order of its outputs.

    Example:
        >>> own_targets(torch.tensor([5, 0, 7, -100]), [7, 5]).tolist()
        [1, 2, 0, -100]
    """
    own = torch.tensor(checked_classes(classes), device=targets.device)
    if targets.dim() != 1 or targets.is_floating_point():
        raise LimbeckError(
            f"A specialist's targets are class indices (N,), not {tuple(targets.shape)} {targets.dtype}."
        )
    matches = targets[:, None] == own
    place = torch.where(matches.any(1), matches.int().argmax(1), len(own))
    return torch.where(targets < 0, targets, place)


def checked_classes(classes: Sequence[int]) -> tuple[int, ...]:
    """Return a specialist's classes as a tuple, once each is known to be an index that stands there once.

    Raises:
        LimbeckError: none at all; not whole numbers from 0; one that is repeated.
    """
    found: tuple[Any, ...] = tuple(classes)
    if not found:
        raise LimbeckError("A specialist without classes has nothing to tell apart: give it two or more.")
    wrong = [each for each in found if isinstance(each, bool) or not isinstance(each, Integral) or each < 0]
    if wrong:
        raise LimbeckError(f"A specialist's classes are indices, whole numbers from 0, not {wrong[0]!r}.")
    twice = [each for each in found if found.count(each) > 1]
    if twice:
        raise LimbeckError(f"Class {twice[0]} stands twice in one specialist: each output is one class.")
    return tuple(int(each) for each in found)


class Dustbin:
    """A teacher of all classes that answers as a specialist should: some of its classes, and the rest as one.

    Soft targets for training a specialist, which keep it from overfitting its few samples (Hinton, Vinyals, Dean 2015,
    arXiv 1503.02531, section 6.1).

    Definition:
        With p the teacher's probabilities, the logits are log p(c) for each class c of the specialist, in order, and
        log Σ_{others} p(c) − ``correction`` for the dustbin. The correction of the :class:`SpecialistSet` makes the
        soft targets those of a sample from that set, as its hard targets are; it is added back to the trained
        specialist. (The paper does not say how the two were matched.)

    Args:
        teacher: knows all classes: the generalist.
        classes: of the specialist, in the order of its outputs.
        correction: taken off the dustbin's logit.

    Raises:
        LimbeckError: no teacher; classes that are empty, repeated or no indices; at a batch, a teacher that lacks one
            of them, or has no other.

    Example:
        >>> from limbeck import Predictor
        >>> teacher = Dustbin(Predictor(lambda rows: rows), [2, 0])
        >>> even = torch.zeros(1, 4)
        >>> teacher(Batch(even), Classification())["logits"].exp().tolist()
        [[0.25, 0.25, 0.5]]
    """

    def __init__(self, teacher: Teacher, classes: Sequence[int], correction: float = 0.0):
        self.teacher = checked_teachers("Dustbin", [teacher])[0]
        self.classes = checked_classes(classes)
        self.correction = between("correction", correction, float("-inf"), float("inf"))
        self.forwards = 0

    def __call__(self, batch: Batch, task: Task | None = None, names: Sequence[str] = ()) -> Outputs:
        """Return the answer for ``batch`` (see :class:`limbeck.teachers.Teacher`); layers are the teacher's."""
        # Its targets, where there are any, are the specialist's: they would mislead a teacher that reads them.
        unlabelled = Batch(batch.inputs, index=batch.index, view=batch.view)
        outputs = asked(self, self.teacher, unlabelled, task or Classification(), names)
        return Outputs({**outputs, "logits": self._pooled(full_precision(outputs["logits"]))})

    def fingerprint(self) -> str:
        """Return a SHA-256 of the teacher, the classes and the correction."""
        return digest(["Dustbin", repr(self.classes), repr(self.correction), known_by(self.teacher)])

    def _pooled(self, logits: Tensor) -> Tensor:
        refuse_no_dustbin(self.classes, logits.shape[-1])
        log_p = logits.log_softmax(-1)
        other = torch.ones(logits.shape[-1], dtype=torch.bool, device=logits.device)
        own = torch.tensor(self.classes, device=logits.device)
        other[own] = False
        rest = log_p[..., other].logsumexp(-1, keepdim=True) - self.correction
        return torch.cat([log_p[..., own], rest], -1).clamp_min(ABSENT)


def refuse_no_dustbin(classes: Sequence[int], known: int) -> None:
    """Refuse a specialist with a class that does not exist, or with all there are.

    Raises:
        LimbeckError: a class from ``known`` on; no class left for the dustbin.
    """
    if max(classes) >= known:
        raise LimbeckError(
            f"A specialist has class {max(classes)}, but there are {known}, from 0 to {known - 1}."
        )
    if len(classes) >= known:
        raise LimbeckError(
            f"A specialist of all {known} classes has none left for its dustbin: give it fewer."
        )
