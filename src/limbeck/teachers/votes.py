"""What private teachers answered by noisy votes, kept for any number of lessons (PATE, Papernot et al. 2017)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from limbeck.data.relabelled import Relabelled
from limbeck.data.source import Source, digest
from limbeck.errors import LimbeckError
from limbeck.files import replacing
from limbeck.tasks import Classification, Task
from limbeck.teachers.privacy import NoisyMax, check_delta
from limbeck.types import Batch, Outputs

CERTAIN = 100.0
"""Logit of the class that won; the others have 0."""


@dataclass(frozen=True, eq=False)
class Votes:
    """What noisy votes said of public samples, and what it cost; nothing else of the private data is in here.

    Args:
        index: (Q,) int64, the samples that were answered, each once.
        labels: (Q,) int64, the class that won.
        classes: number of classes.
        teachers: number of teachers that voted.
        records: number of private records over all shards.
        mechanism: how noise was added.
        delta: of the bound.

    Raises:
        LimbeckError: what does not belong together.

    Example:
        >>> votes = Votes(torch.tensor([4, 2]), torch.tensor([1, 0]), 2, 50, 9_000, NoisyMax(20.0), 1e-5)
        >>> len(votes), votes.labels_of(torch.tensor([2, 3, 4])).tolist()
        (2, [0, -1, 1])
    """

    index: Tensor
    labels: Tensor
    classes: int
    teachers: int
    records: int
    mechanism: NoisyMax
    delta: float

    def __post_init__(self) -> None:
        check_delta(self.delta, self.records)
        whole = self.index.dtype == self.labels.dtype == torch.int64 and self.index.dim() == 1
        if (
            not whole
            or self.index.shape != self.labels.shape
            or len(set(self.index.tolist())) != len(self.index)
        ):
            raise LimbeckError("Votes are an int64 index of samples, each once, and an int64 label for each.")
        if len(self.labels) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < self.classes:
            raise LimbeckError(f"Votes are for classes from 0 to {self.classes - 1}, but there are others.")

    def __len__(self) -> int:
        return len(self.index)

    @property
    def epsilon(self) -> float:
        """What the answers cost, at ``delta``."""
        return self.mechanism.epsilon(len(self), self.delta)

    def labels_of(self, index: Tensor) -> Tensor:
        """Return the class that won for each of the samples ``index`` (N,), -1 where none was voted on."""
        if not len(self):
            return torch.full_like(index, -1)
        order = self.index.argsort()
        known, labels = self.index[order].to(index.device), self.labels[order].to(index.device)
        place = torch.searchsorted(known, index).clamp(max=len(known) - 1)
        return torch.where(known[place] == index, labels[place], -1)

    def relabelled(self, source: Source) -> Relabelled:
        """Return the public samples with votes for labels, and none where there was no vote, for a student to learn.

        Any scheme can learn from them: ``Supervised`` from the samples of ``index``, ``SemiSupervised`` and
        ``MeanTeacher`` from the others too. Whatever it learns is covered by the bound, for the samples' own labels
        reach no batch.

        Args:
            source: the public samples, numbered as they were when the votes were collected.

        Raises:
            LimbeckError: a vote on a sample that is not there.
        """
        if len(self) and int(self.index.max()) >= len(source):
            raise LimbeckError(
                f"A vote is on sample {int(self.index.max())}, but there are only {len(source)} samples: give the "
                "source that the votes were collected on."
            )
        labels = self.labels_of(torch.arange(len(source)))
        return Relabelled(source, labels, labels >= 0)

    def fingerprint(self) -> str:
        """Return a sha256 (hex) of the answers."""
        return digest([self.index, self.labels])

    def to_dict(self) -> dict[str, Any]:
        """Return what may be published with the student: the bound and how it came about."""
        return {
            "epsilon": self.epsilon,
            "delta": self.delta,
            "answers": len(self),
            "classes": self.classes,
            "teachers": self.teachers,
            "records": self.records,
            **self.mechanism.to_dict(),
        }

    def save(self, path: str | Path) -> None:
        """Write the votes to a file, whole or not at all.

        Args:
            path: of the file, ``votes.safetensors`` say.
        """
        from safetensors.torch import save_file

        about = {key: value for key, value in self.to_dict().items() if key != "epsilon"}
        with replacing(path) as temporary:
            save_file({"index": self.index, "labels": self.labels}, temporary, {"votes": json.dumps(about)})

    @classmethod
    def load(cls, path: str | Path) -> "Votes":
        """Read what :meth:`save` wrote.

        Args:
            path: the file.

        Raises:
            LimbeckError: not such a file.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:
                about = json.loads((file.metadata() or {})["votes"])
                index, labels = file.get_tensor("index"), file.get_tensor("labels")
            mechanism = NoisyMax(about["noise"], about["mechanism"])
            classes, teachers, records = (int(about[name]) for name in ("classes", "teachers", "records"))
            return cls(index, labels, classes, teachers, records, mechanism, float(about["delta"]))
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise LimbeckError(
                f"{path} holds no votes ({type(error).__name__}): collect them again."
            ) from error


class Voted:
    """Stored votes as a teacher: it looks a sample's answer up, and nobody is asked again.

    Its logits are a decision, 100 for the class that won and 0 for the others, and tell nothing of how sure the vote
    was: that would have to be paid for. ``Offline(student, Voted(votes), [HardDistillation()], task_weight=None)``
    learns from them, as ``Supervised`` does from ``votes.relabelled(source)``.

    Args:
        votes: what was answered.

    Example:
        >>> votes = Votes(torch.tensor([4]), torch.tensor([1]), 2, 50, 9_000, NoisyMax(20.0), 1e-5)
        >>> Voted(votes)(Batch(torch.zeros(1, 1), index=torch.tensor([4])))["logits"].tolist()
        [[0.0, 100.0]]
    """

    def __init__(self, votes: Votes):
        self.votes = votes
        self.forwards = 0

    def __call__(self, batch: Batch, task: Task | None = None, names: Sequence[str] = ()) -> Outputs:
        """Return the decisions for ``batch`` (see :class:`limbeck.teachers.Teacher`).

        Raises:
            LimbeckError: a sample that was not answered; a layer is asked for; a batch without ``index``.
        """
        task = task or Classification()
        unknown = [name for name in names if name not in task.outputs]
        if unknown:
            raise LimbeckError(f"Votes have no layers, so no {unknown[0]!r} to teach from.")
        if batch.index is None:
            raise LimbeckError("Votes are kept by sample: give batches that carry index.")
        labels = self.votes.labels_of(batch.index)
        if bool((labels < 0).any()):
            raise LimbeckError(
                f"Sample {int(batch.index[labels < 0][0])} was not voted on: learn from the {len(self.votes)} samples "
                "of votes.index."
            )
        chosen = torch.nn.functional.one_hot(labels, self.votes.classes)
        return task.named(chosen.float() * CERTAIN)

    def fingerprint(self) -> str:
        """Return a sha256 (hex) of the answers, by which a resumed run knows them again."""
        return self.votes.fingerprint()
