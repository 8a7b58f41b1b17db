"""Teacher guided architecture search (Bashivan, Tensen, DiCarlo 2019)."""

from typing import ClassVar

import torch
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.functional.relation import centred, cosines, unit, widened
from limbeck.losses.base import DistillationLoss, Place, same_samples
from limbeck.types import Context


class RDM(DistillationLoss):
    """Keep which samples are told apart: 1 − ρ of the two representational dissimilarity matrices.

    Bashivan, Tensen, DiCarlo, "Teacher Guided Architecture Search", ICCV 2019, arXiv 1808.01405. A representational
    dissimilarity matrix says for every two samples how differently a layer responds to them; how well a small
    network's correlates with a good teacher's predicts, early in training, how good it will become. The paper
    uses it as a score in search; 1 − ρ is the loss that raises it.

    Definition:
        f_i is row i, flattened to D ≥ 2 numbers; r_ij is the Pearson correlation of f_i and f_j over these D numbers,
        0 where either row is constant;
        RDM_ij = 1 − r_ij, for student and teacher each;
        ρ is the Pearson correlation of the N (N − 1)/2 entries above the diagonal of both, 0 where either
        side's are all equal;
        loss = 1 − ρ.

    Differs from the paper:
        There it is a score, not a loss.

    When it helps:
        As a score of how alike two layers of any widths see the same samples, and as a gentle guide early in
        training. It is bounded by 2, and small batches make ρ noisy. Usual weights: 1 and 1; no paper trains with it.

    Shape:
        student and teacher (N, …) of any widths of at least two numbers, N ≥ 3; returns a scalar.

    Raises:
        LimbeckError: other numbers of samples; fewer than three; rows of a single number.

    Example:
        >>> import torch
        >>> features = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.5]])
        >>> round(RDM()(2 * features + 1, features).item(), 6)
        0.0
    """

    paper: ClassVar[str] = "Bashivan, Tensen, DiCarlo 2019, arXiv 1808.01405"
    relates_samples: ClassVar[bool] = True
    kind = "relation"
    place: ClassVar[Place] = "embedding"
    same_shape: ClassVar[bool] = False
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 1.0)
    smallest_batch: ClassVar[int] = 3

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return 1 − ρ of the two dissimilarity matrices."""
        same_samples("RDM", student, teacher, self.smallest_batch)
        loss = 1 - torch.dot(_dissimilarity(student), _dissimilarity(teacher.detach()))
        return loss.to(torch.promote_types(student.dtype, torch.float32))


def _dissimilarity(samples: Tensor) -> Tensor:
    """Return what is above the diagonal, in one row, centred and of length one.

    Correlations take the place of one less correlations: that changes the sign on both sides, and thus nothing.
    """
    rows = widened(samples)
    if rows.shape[1] < 2:
        raise LimbeckError(
            f"RDM correlates samples over their features and needs at least two, not {tuple(samples.shape)}: name a "
            "layer that gives more."
        )
    correlation = cosines(centred(rows, 1))
    above = torch.triu_indices(len(rows), len(rows), 1, device=rows.device)
    return unit(centred(correlation[above[0], above[1]], 0))
