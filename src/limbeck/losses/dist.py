"""Knowledge distillation from a stronger teacher (Huang et al. 2022)."""

from typing import ClassVar

from torch import Tensor

from limbeck.checks import between, temperature_in_range
from limbeck.functional.correlation import pearson
from limbeck.functional.divergence import softened
from limbeck.losses.base import DistillationLoss, same_samples
from limbeck.losses.rows import rows
from limbeck.types import Context


class DIST(DistillationLoss):
    """Correlate the predictions, by sample and by class: a · (1 − ρ(rows)) + b · (1 − ρ(columns)).

    Huang, You, Wang, Qian, Xu, "Knowledge Distillation from A Stronger Teacher", NeurIPS 2022, arXiv 2205.10536.
    A strong teacher's probabilities are too far from the student's to be matched exactly, so only their relations
    are: Pearson's correlation of the classes within each sample, and of the samples within each class.

    Definition:
        With p = softmax(z / T), an (R, C) matrix on each side, and ρ Pearson's correlation::

            rows    = 1 − 1/R · Σ_r ρ(p_s[r, :], p_t[r, :])
            columns = 1 − 1/C · Σ_c ρ(p_s[:, c], p_t[:, c])
            ρ(a, b) = Σ_i (a_i − ā)(b_i − b̄) / (‖a − ā‖ · ‖b − b̄‖ + 1e-8)

        loss = row_weight · rows + column_weight · columns. No T² is applied. Where a or b, of n values, varies by no
        more than rounding leaves, that is ‖a − ā‖ ≤ 16 ε √n |ā| with ε the machine epsilon of the precision, ρ is 0
        and has no gradient: where all predictions are equal there is nothing to correlate, and the cost is 1.

    Differs from the paper:
        The 1e-8 is that of the authors' code: by it classes that nobody predicts fade out, and a student that equals
        its teacher has a loss slightly above 0 where classes are rare. Their later
        code, and torchdistill, multiply by T², which the paper does not: a correlation is blind to scale, so its
        gradient keeps its size without it. At T = 1 both are the same; elsewhere give the term T² times the weight
        to reproduce that code. torchdistill raises each norm to at least 1e-8 instead.

    When it helps:
        When the teacher is much stronger than the student, or trained with other augmentation. Columns are noisy in
        small batches: with fewer samples than classes most of a column's probabilities are near 0.

    Args:
        temperature: T > 0 (the paper: 1 on ImageNet, 4 on CIFAR-100).
        row_weight: weight of the relation between classes, at least 0 (the paper's β, inter-class).
        column_weight: weight of the relation between samples, at least 0 (the paper's γ, intra-class).

    Shape:
        student and teacher (N, C) or (N, L, C) logits with N ≥ 2, every row of which is a sample; returns a scalar.

    Raises:
        LimbeckError: settings out of range; shapes that differ; fewer than two classes or samples.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[2.0, 0.0, -1.0], [0.0, 2.0, 3.0]])
        >>> abs(round(DIST()(logits, logits).item(), 5))
        0.0
    """

    paper: ClassVar[str] = "Huang, You, Wang, Qian, Xu 2022, arXiv 2205.10536"
    relates_samples: ClassVar[bool] = True
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 1.0)
    smallest_batch: ClassVar[int] = 2

    def __init__(self, temperature: float = 1.0, row_weight: float = 1.0, column_weight: float = 1.0):
        super().__init__()
        self.temperature = temperature_in_range(temperature)
        self.row_weight = between("row_weight", row_weight, 0, float("inf"))
        self.column_weight = between("column_weight", column_weight, 0, float("inf"))

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return the weighted sum of one minus the mean correlation of rows and of columns."""
        same_samples("DIST", student, teacher, self.smallest_batch)
        p_s, p_t = (softened(each, self.temperature) for each in rows("DIST", student, teacher))
        rows_alike, columns_alike = (pearson(p_s, p_t, dim, eps=1e-8).mean() for dim in (1, 0))
        return self.row_weight * (1 - rows_alike) + self.column_weight * (1 - columns_alike)

    def extra_repr(self) -> str:
        """Show the settings in ``repr``."""
        return (
            f"temperature={self.temperature:g}, row_weight={self.row_weight:g}, "
            f"column_weight={self.column_weight:g}"
        )
