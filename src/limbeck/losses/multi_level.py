"""Multi-level logit distillation (Jin, Wang, Lin 2023)."""

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from limbeck.checks import between, positive
from limbeck.errors import LimbeckError
from limbeck.functional.divergence import row_kl
from limbeck.functional.gram import gram_gaps
from limbeck.functional.precision import without_autocast
from limbeck.losses.base import DistillationLoss
from limbeck.losses.rows import rows
from limbeck.types import Context


class MultiLevel(DistillationLoss):
    """Match predictions, and their products between samples and between classes, at several temperatures.

    Jin, Wang, Lin, "Multi-Level Logit Distillation", CVPR 2023, pages 24276–24285. The instance level is
    T² · KL(p_t ‖ p_s); the batch level compares how alike the samples are, the class level how alike the classes
    are, by Gram matrices of the predictions. All are taken at each of several temperatures.

    Definition:
        For each temperature T_k of K, with P = softmax(z / T_k), an (R, C) matrix on each side::

            instance_k = T_k² · 1/R · Σ_rows Σ_c p_t log(p_t / p_s)
            batch_k    = 1/R · ‖P_s P_sᵀ − P_t P_tᵀ‖²_F
            class_k    = 1/C · ‖P_sᵀ P_s − P_tᵀ P_t‖²_F

        loss = 1/K · Σ_k (instance_k + batch_weight · batch_k + class_weight · class_k). No T² on the Gram terms.

    Differs from the paper:
        A mean over temperatures where the paper sums, so that one temperature without Gram terms is KD: the usual
        weight is K times as large for that. The public code draws a weak and a strong view of each image and leaves
        out the half of the samples and classes of which the teacher is surest; views belong to the data here, and
        nothing is left out. Both Gram terms are taken from whichever of (R, R) and (C, C) is the smaller matrix.

    When it helps:
        When one temperature is hard to choose, and batches are large enough for the Gram terms to say something.
        As in the paper the class term grows with the square of the batch: lower class_weight for large batches.

    Args:
        temperatures: T_k > 0, at least one (the public code: 2, 3, 4, 5, 6).
        batch_weight: weight of the batch level, at least 0.
        class_weight: weight of the class level, at least 0.

    Shape:
        student and teacher (N, C) or (N, L, C) logits, every row of which is a sample; returns a scalar.

    Raises:
        LimbeckError: settings out of range; shapes that differ; fewer than two classes.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 3.0]])
        >>> MultiLevel()(logits, logits).item()
        0.0
    """

    paper: ClassVar[str] = "Jin, Wang, Lin 2023, CVPR, pages 24276-24285"
    relates_samples: ClassVar[bool] = True
    usual_weights: ClassVar[tuple[float, float]] = (0.1, 4.5)

    def __init__(
        self,
        temperatures: Sequence[float] = (2.0, 3.0, 4.0, 5.0, 6.0),
        batch_weight: float = 1.0,
        class_weight: float = 1.0,
    ):
        super().__init__()
        if not isinstance(temperatures, Sequence) or not temperatures:
            raise LimbeckError(
                f"temperatures must list at least one number, such as 2, 3, 4, not {temperatures!r}."
            )
        self.temperatures = tuple(positive("each of temperatures", each) for each in temperatures)
        self.batch_weight = between("batch_weight", batch_weight, 0, float("inf"))
        self.class_weight = between("class_weight", class_weight, 0, float("inf"))

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return the sum of the three levels, a mean over temperatures."""
        log_s, log_t = (
            F.log_softmax(torch.stack([each / t for t in self.temperatures]), -1)
            for each in rows("MultiLevel", student, teacher)
        )
        instances = row_kl(log_s, log_t).mean(-1).unbind()
        loss = torch.stack([t**2 * each for t, each in zip(self.temperatures, instances, strict=True)]).mean()
        if self.batch_weight or self.class_weight:
            with without_autocast(log_s):
                batch, classes = gram_gaps(log_s.exp(), log_t.exp())
            _, samples, width = log_s.shape
            loss = (
                loss + self.batch_weight / samples * batch.mean() + self.class_weight / width * classes.mean()
            )
        return loss

    def extra_repr(self) -> str:
        """Show the settings in ``repr``."""
        return (
            f"temperatures={self.temperatures}, batch_weight={self.batch_weight:g}, "
            f"class_weight={self.class_weight:g}"
        )
