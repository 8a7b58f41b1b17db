"""Training data-efficient image transformers and distillation through attention (Touvron et al. 2021)."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from limbeck.losses.base import DistillationLoss
from limbeck.losses.rows import rows
from limbeck.types import Context


class HardDistillation(DistillationLoss):
    """Take the teacher's decision for the label: CE(z_s, argmax z_t).

    Touvron, Cord, Douze, Massa, Sablayrolles, Jégou, "Training data-efficient image transformers & distillation
    through attention" (DeiT), ICML 2021, arXiv 2012.12877. The teacher's decision plays the part of a true label, one
    that also fits what augmentation made of the image; there is no temperature and nothing to tune but the weight.

    A student with a distillation token learns it there: put the term on the token's own head, and the hard loss stays
    with the class token; for timm's distilled transformers ``Term(HardDistillation(), student="head_dist")``. Without
    one, the paper applies it to the same logits as the hard loss, and so does the default.

    Definition:
        With y_t = argmax over classes of z_t (the first, where several are largest)::

            loss = Σ over rows of ( −log softmax(z_s)[y_t] )  /  number of rows

        Not zero where student and teacher agree: it falls until the student is certain.

    Differs from the paper:
        Nothing. The paper's label smoothing of these decisions is left out, as in its best runs.

    When it helps:
        With strong augmentation and a teacher clearly better than the student, above all one of another kind (a CNN
        for a transformer). It throws away what the teacher says of the other classes: with many similar classes or a
        small transfer set, soft targets carry more.

    Shape:
        student and teacher (N, C) or (N, L, C) logits; returns a scalar, a mean over rows.

    Raises:
        LimbeckError: shapes that differ; fewer than two classes.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[9.0, 0.0, 0.0]])
        >>> round(HardDistillation()(logits, logits).item(), 4)
        0.0002
    """

    paper: ClassVar[str] = "Touvron, Cord, Douze, Massa, Sablayrolles, Jégou 2021, arXiv 2012.12877"
    usual_weights: ClassVar[tuple[float, float]] = (0.5, 0.5)  # equation 3

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return the cross-entropy of the student against the teacher's decisions."""
        known, taught = rows("HardDistillation", student, teacher)
        return F.cross_entropy(known, taught.argmax(1))
