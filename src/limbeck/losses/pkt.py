"""Learning deep representations with probabilistic knowledge transfer (Passalis, Tefas 2018)."""

from typing import ClassVar

from torch import Tensor

from limbeck.checks import switch
from limbeck.functional.relation import cosines, flattened
from limbeck.losses.base import DistillationLoss, Place, same_samples
from limbeck.types import Context

FLOOR = 1e-6
"""Added to affinities: of opposite rows they are 0, whose logarithm is not finite."""


class PKT(DistillationLoss):
    """Match, for each sample, the distribution of its affinity to the others: KL(p_t(·|i) ‖ p_s(·|i)).

    Passalis, Tefas, "Learning Deep Representations with Probabilistic Knowledge Transfer", 2018, arXiv 1803.10837.
    How likely each sample would pick each other one as its neighbour describes the geometry of an embedding of
    any width; the paper's kernel is the cosine, moved to [0, 1], which needs no bandwidth.

    Definition:
        f_i is row i, flattened; u_i = f_i / ‖f_i‖₂ (a row of zeros stays zero);
        a_ij = (⟨u_i, u_j⟩ + 1) / 2 + 1e-6, for student and teacher each;
        p(j|i) = a_ij / Σ_{k≠i} a_ik for j ≠ i; with ``diagonal`` also j = i, and the sum over all k;
        loss = 1/N · Σ_i Σ_j p_t(j|i) · log(p_t(j|i) / p_s(j|i)), j as above.

    Differs from the paper:
        The diagonal does not count, as in the paper's formula; its authors' code, and torchdistill 1.1.5, count
        it, which ``diagonal=True`` does. They also take the mean over all N² entries: N times less than this mean
        over samples. 1e-6 keeps opposite rows finite; the authors' code adds 1e-7 inside the logarithm.

    When it helps:
        With embeddings of other widths, also without labels. Affinities of unrelated samples in wide embeddings are
        all near 1/2, so values are small and weights large. Usual weights: 1 for the hard
        loss and 500, RepDistiller's 30,000 over its batch of 64, because of the mean it takes.

    Args:
        diagonal: count each sample's affinity to itself.

    Shape:
        student and teacher (N, …) of any widths, N ≥ 3; returns a scalar.

    Raises:
        LimbeckError: other numbers of samples; fewer than three (with two there is one other, picked for certain).

    Example:
        >>> import torch
        >>> embedding = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> PKT()(2 * embedding, embedding).item()
        0.0
    """

    paper: ClassVar[str] = "Passalis, Tefas 2018, arXiv 1803.10837"
    relates_samples: ClassVar[bool] = True
    kind = "relation"
    place: ClassVar[Place] = "embedding"
    same_shape: ClassVar[bool] = False
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 500.0)
    smallest_batch: ClassVar[int] = 3

    def __init__(self, diagonal: bool = False):
        super().__init__()
        self.diagonal = switch("diagonal", diagonal)

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return KL(p_t ‖ p_s) between the affinities of each sample, a mean over samples."""
        same_samples("PKT", student, teacher, self.smallest_batch)
        known, taught = self._log_affinity(student), self._log_affinity(teacher.detach())
        target = taught.exp()
        if not self.diagonal:
            target.fill_diagonal_(0.0)
        return (target * (taught - known)).sum() / len(target)

    def extra_repr(self) -> str:
        """Show the setting in ``repr``."""
        return f"diagonal={self.diagonal}"

    def _log_affinity(self, samples: Tensor) -> Tensor:
        """Return log p(j|i); without the diagonal, what stands on it means nothing."""
        affinity = cosines(flattened(samples)) * 0.5 + (0.5 + FLOOR)
        total = affinity.sum(1)
        if not self.diagonal:
            total = total - affinity.diagonal()
        return affinity.log() - total.log()[:, None]
