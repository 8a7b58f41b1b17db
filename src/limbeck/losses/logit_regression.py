"""Do deep nets really need to be deep? (Ba & Caruana 2014)."""

from typing import ClassVar

from torch import Tensor

from limbeck.checks import switch
from limbeck.functional.precision import full_precision
from limbeck.losses.base import DistillationLoss, same_shape
from limbeck.types import Context


class LogitRegression(DistillationLoss):
    """Regress the teacher's logits: ½ ‖z_s − z_t‖², a mean over samples.

    Ba, Caruana, "Do Deep Nets Really Need to be Deep?", 2014, arXiv 1312.6184. Logits before the softmax keep
    what the teacher says of unlikely classes. With ``centred=True`` each sample's mean logit, which the
    softmax ignores, is removed first; that is C times the limit of :class:`KD` as its temperature grows.

    Definition:
        d = z_s − z_t for each sample; with ``centred``, d ← d − mean of d over the last axis;
        loss = ½ · 1/N · Σ over samples and everything in them of d².

    Differs from the paper:
        ``centred`` is ours. The paper finds that the teacher's logits, standardised over the training set, help a
        little early in training; that is not done here.

    When it helps:
        Regression, and logits of one scale; a teacher with large logits dominates the hard loss, so lower the weight.

    Args:
        centred: remove each row's mean from both sides before comparing (the paper does not).

    Shape:
        student and teacher (N, C) logits, or (N,) or (N, 1) values in regression; returns a scalar.

    Raises:
        LimbeckError: shapes that differ.

    Example:
        >>> import torch
        >>> LogitRegression()(torch.tensor([[1.0, 1.0]]), torch.tensor([[0.0, 0.0]])).item()
        1.0
        >>> LogitRegression(centred=True)(torch.tensor([[1.0, 1.0]]), torch.tensor([[0.0, 0.0]])).item()
        0.0
    """

    paper: ClassVar[str] = "Ba, Caruana 2014, arXiv 1312.6184"

    def __init__(self, centred: bool = False):
        super().__init__()
        self.centred = switch("centred", centred)

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return ½ ‖z_s − z_t‖², a mean over samples."""
        same_shape("LogitRegression", student, teacher)
        difference = full_precision(student) - full_precision(teacher.detach())
        if self.centred:
            difference = difference - difference.mean(-1, keepdim=True)
        return 0.5 * difference.square().sum() / student.shape[0]

    def extra_repr(self) -> str:
        """Show the setting in ``repr``."""
        return f"centred={self.centred}"
