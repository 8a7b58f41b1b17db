"""Private data stays with its teachers: the student learns from their noisy votes alone (Papernot et al. 2017)."""

from typing import ClassVar

from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.schemes.base import Scheme
from limbeck.tasks import Classification, Task
from limbeck.teachers.votes import Votes
from limbeck.types import Batch


class PrivateTeachers(Scheme):
    """The student learns public samples with the labels that many private teachers voted for, under noise.

    Papernot, Abadi, Erlingsson, Goodfellow, Talwar, "Semi-supervised Knowledge Transfer for Deep Learning from Private
    Training Data" (PATE), ICLR 2017, arXiv 1610.05755; Papernot, Song, Mironov, Raghunathan, Talwar, Erlingsson,
    "Scalable Private Learning with PATE", ICLR 2018, arXiv 1802.08908. The votes are taken once, before training, by
    :func:`limbeck.teachers.collect_votes`, and stored: no teacher is asked again, however many epochs follow. The
    student sees neither the private data nor the public samples' own labels, so whatever it learns is covered by the
    (ε, δ) of the votes.

    Definition:
        With v_n the class that won sample n's vote and A the samples of the batch that were answered::

            task = mean over n in A of the task's loss against v_n (cross-entropy at T = 1); 0 where A is empty

    Differs from the paper:
        The paper's student also learns from the public samples that were not answered, by a GAN; here they are passed
        over, and :class:`SemiSupervised` or :class:`MeanTeacher` may take them up, with ``Votes.relabel``. The bound is
        the one that does not depend on the votes, with a tighter account than the papers' (see ``NoisyMax``).

    When it helps:
        When models are to be shared that were taught by data which may not be: medical records, messages. It needs
        public inputs of the same kind and so much private data that a hundredth of it still teaches.

    Args:
        student: the network to train.
        votes: what the teachers answered.
        task: what the labels mean; classification unless told.

    Raises:
        LimbeckError: a teacher in place of votes; no sample was answered; a batch without ``index``.

    Example:
        >>> import torch
        >>> from limbeck.teachers import NoisyMax
        >>> votes = Votes(torch.tensor([4]), torch.tensor([1]), 2, 50, 9_000, NoisyMax(20.0), 1e-5)
        >>> scheme = PrivateTeachers(nn.Linear(3, 2), votes)
        >>> list(scheme(Batch(torch.zeros(2, 3), index=torch.tensor([4, 7]))))
        ['task']
    """

    paper: ClassVar[str] = "arXiv 1610.05755"

    def __init__(self, student: nn.Module, votes: Votes, task: Task | None = None):
        super().__init__(task or Classification())
        if not isinstance(votes, Votes):
            raise LimbeckError(
                f"PrivateTeachers learns from stored votes, not from {type(votes).__name__}: take them, once, by "
                "limbeck.teachers.collect_votes."
            )
        if not len(votes):
            raise LimbeckError("No sample was answered, so there is nothing to learn: collect votes first.")
        self.student = student
        self.votes = votes

    def forward(self, batch: Batch, phase: str = "main", group: int = 0) -> dict[str, Tensor]:
        """Return the loss against the votes under the name ``task``."""
        voted = self.votes.relabel(batch)
        return {"task": self.task.loss(self.task.call(self.student, voted, self.role), voted)}

    def deployable(self) -> nn.Module:
        """Return the bare student."""
        return self.student

    def identity(self) -> dict[str, str]:
        """Return the task and the fingerprint of the votes."""
        return {**super().identity(), "votes": self.votes.fingerprint()}
