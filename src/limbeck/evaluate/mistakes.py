"""What becomes of a teacher's mistakes in its student."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from limbeck.errors import LimbeckError


@dataclass(frozen=True)
class Mistakes:
    """Counts over labelled samples; those of several batches add up with ``+``.

    Args:
        samples: labelled samples.
        teacher: of these, those that the teacher gets wrong: ``inherited + otherwise + corrected``.
        inherited: the student is wrong too, with the teacher's class.
        otherwise: the student is wrong too, with another class.
        corrected: the student is right where the teacher is wrong.
        new: the student is wrong where the teacher is right.

    Example:
        >>> found = Mistakes(100, 10, 6, 1, 3, 4) + Mistakes(100, 10, 4, 1, 5, 2)
        >>> found.teacher, found.student, found.share("inherited"), found.share("new")
        (20, 18, 0.5, 0.03333333333333333)
    """

    samples: int = 0
    teacher: int = 0
    inherited: int = 0
    otherwise: int = 0
    corrected: int = 0
    new: int = 0

    @property
    def student(self) -> int:
        """Samples that the student gets wrong."""
        return self.inherited + self.otherwise + self.new

    def share(self, part: str) -> float | None:
        """Return ``inherited``, ``otherwise`` or ``corrected`` as a share of the teacher's mistakes, ``new`` as one of
        what the teacher has right; ``None`` where there are none of these.
        """
        whole = self.samples - self.teacher if part == "new" else self.teacher
        return getattr(self, part) / whole if whole else None

    def __add__(self, other: "Mistakes") -> "Mistakes":
        return Mistakes(*(ours + theirs for ours, theirs in zip(_counts(self), _counts(other), strict=True)))

    def to_dict(self) -> dict[str, Any]:
        """Return counts and shares as a record."""
        counts = dict(zip(_PARTS, _counts(self), strict=True)) | {"student": self.student}
        return {**counts, "shares": {part: self.share(part) for part in _PARTS[2:]}}


_PARTS = ("samples", "teacher", "inherited", "otherwise", "corrected", "new")


def _counts(found: Mistakes) -> tuple[int, ...]:
    return tuple(getattr(found, part) for part in _PARTS)


def mistakes(student: Tensor, teacher: Tensor, targets: Tensor, labelled: Tensor | None = None) -> Mistakes:
    """Count which of the teacher's mistakes the student inherits, makes otherwise or corrects, and which it adds.

    An answer with NaN in it is a mistake that names no class, so it is never inherited.

    Args:
        student: logits (…, C).
        teacher: logits (…, C) for the same samples.
        targets: (…) int64, the true classes; negative where a sample has no label, and then not counted.
        labelled: (…) bool, which samples have a label, where targets do not say it.

    Raises:
        LimbeckError: shapes that do not belong together; a target that is no class.

    Example:
        >>> teacher = torch.eye(3)[[0, 1, 1, 2]]
        >>> student = torch.eye(3)[[0, 1, 0, 1]]
        >>> mistakes(student, teacher, torch.tensor([0, 0, 0, 2]))
        Mistakes(samples=4, teacher=2, inherited=1, otherwise=0, corrected=1, new=1)
    """
    if student.shape != teacher.shape or student.dim() < 2 or targets.shape != student.shape[:-1]:
        raise LimbeckError(
            f"Mistakes are counted on logits (N, C) of both models and targets (N), not on {tuple(student.shape)}, "
            f"{tuple(teacher.shape)} and {tuple(targets.shape)}: give both the same samples and classes."
        )
    known = targets >= 0 if labelled is None else (targets >= 0) & labelled
    ours, theirs, true = _decisions(student)[known], _decisions(teacher)[known], targets[known]
    if true.numel() and int(true.max()) >= student.shape[-1]:
        raise LimbeckError(
            f"A target is class {int(true.max())}, but the logits have {student.shape[-1]} classes: give the labels "
            "these models were trained on."
        )
    missed, wrong = theirs != true, ours != true
    alike = (ours == theirs) & (ours >= 0)
    return Mistakes(
        samples=true.numel(),
        teacher=int(missed.sum()),
        inherited=int((missed & wrong & alike).sum()),
        otherwise=int((missed & wrong & ~alike).sum()),
        corrected=int((missed & ~wrong).sum()),
        new=int((wrong & ~missed).sum()),
    )


def _decisions(logits: Tensor) -> Tensor:
    """Return the class that each row names, -1 where NaN leaves it undecided."""
    return torch.where(logits.isnan().any(-1), -1, logits.argmax(-1))
