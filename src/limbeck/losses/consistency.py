"""Mean teachers are better role models (Tarvainen & Valpola 2017)."""

from typing import ClassVar

from torch import Tensor

from limbeck.functional import softened
from limbeck.losses.base import DistillationLoss
from limbeck.losses.rows import rows
from limbeck.types import Context


class Consistency(DistillationLoss):
    """Predict what the teacher predicts of the same sample: mean squared difference of the two softmaxes.

    Tarvainen, Valpola, "Mean teachers are better role models: Weight-averaged consistency targets improve
    semi-supervised deep learning results", NeurIPS 2017, arXiv 1703.01780. The paper's consistency cost between a
    student and the average of its own weights, each under its own noise, on samples with labels and without. It is
    bounded, and unlike a KL it asks little where either side is sure: on samples that nobody has labelled a teacher
    can be sure and wrong.

    Definition:
        p = softmax(z) on both sides; loss = mean over rows of 1/C · Σ over the C classes of (p_s − p_t)².

    Differs from the paper:
        Nothing; its public code divides by C as well, which the paper leaves to the weight.

    When it helps:
        Few labels and many samples without, with a teacher as weak as the student: see
        :class:`limbeck.schemes.MeanTeacher`. From a good fixed teacher KD teaches more, since this loss hardly sees
        the small probabilities.

    Shape:
        student and teacher (N, C) or (N, L, C) logits; returns a scalar, a mean over rows.

    Raises:
        LimbeckError: shapes that differ; fewer than two classes.

    Example:
        >>> import torch
        >>> sure, even = torch.tensor([[1e3, 0.0]]), torch.tensor([[0.0, 0.0]])
        >>> Consistency()(even, sure).item()
        0.25
    """

    paper: ClassVar[str] = "Tarvainen, Valpola 2017, arXiv 1703.01780"
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 100.0)  # the public code's, for CIFAR-10

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return the mean squared difference of the probabilities."""
        p_s, p_t = (softened(each) for each in rows("Consistency", student, teacher))
        return (p_s - p_t).square().mean()
