"""Paraphrasing complex network: network compression via factor transfer (Kim et al. 2018)."""

from itertools import pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from limbeck.checks import between, whole
from limbeck.functional import full_precision, pooled_alike, without_float16
from limbeck.losses.base import DistillationLoss, Place, maps, same_samples
from limbeck.losses.layers import built_for
from limbeck.types import Context


class FactorTransfer(DistillationLoss):
    """Match factors rather than features: mean |normalise(T(F_s)) − normalise(E(F_t))|, E learnt without labels.

    Kim, Park, Kwak, "Paraphrasing Complex Network: Network Compression via Factor Transfer", 2018, arXiv 1802.04977.
    An autoencoder, the paraphraser, condenses the teacher's features into factors (its encoder E); a translator T of
    the same make turns the student's features into factors, and learns with the student to make them the same.

    Definition:
        The encoder E (C_t channels) and the translator T (C_s channels) are each three convolutions 3×3 with padding
        1 and a bias, C → C → m → m channels with m = max(1, round(rate · C_t)), each followed by LeakyReLU(0.1); the
        decoder D is three transposed convolutions 3×3 with padding 1 and a bias, m → m → C_t → C_t, likewise.
        Factors of other sizes are averaged to (min H, min W) by adaptive average pooling. For N samples of D
        elements each (m·H·W), f_s = vec(T(F_s)), f_t = vec(E(F_t))::

            forward:     L = 1/(N·D) · Σ_n Σ_d | f_s[n, d] / max(‖f_s[n]‖₂, 1e-12) − f_t[n, d] / max(‖f_t[n]‖₂, 1e-12) |
            preparation: R = mean over all elements of (D(E(F_t)) − F_t)²

    Differs from the paper:
        The paper puts batch norm after each convolution; the authors' published code leaves it out, and so do we:
        factors then do not depend on the batch, nor on whether the module trains. The L1 norm is averaged over
        elements as in their code, to which their weight for CIFAR, 500, belongs. R is the paper's square where their
        code takes the absolute difference. They transfer between maps of one size only. The paraphraser's stage takes a
        fifth of the epochs unless told.

    When it helps:
        Teacher and student of different families, where features themselves are hard to match. It needs its
        preparation: without it the factors are random projections of the teacher's features, which teach less.

    Args:
        student_channels: C_s.
        teacher_channels: C_t.
        rate: channels of the factors as a share of the teacher's, from 0.01 to 8; k in the paper, 0.5 in the
            authors' code.

    Shape:
        student (N, C_s, H_s, W_s) and teacher (N, C_t, H_t, W_t); returns a scalar, a mean over samples.

    Raises:
        LimbeckError: channels or rate out of range; not maps; other channels than told; other numbers of samples.

    Example:
        >>> import torch
        >>> loss = FactorTransfer(student_channels=2, teacher_channels=4)
        >>> student, teacher = torch.ones(1, 2, 4, 4), torch.ones(1, 4, 4, 4)
        >>> loss.preparation(teacher).backward()  # a first stage teaches the paraphraser
        >>> loss(student, teacher).shape
        torch.Size([])
    """

    paper: ClassVar[str] = "Kim, Park, Kwak 2018, arXiv 1802.04977"
    kind = "feature"
    place: ClassVar[Place] = "last map"
    same_shape: ClassVar[bool] = False
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 500.0)
    prepares: ClassVar[bool] = True
    first_stage: ClassVar[float] = 0.2  # their code's 5 epochs beside 163 are too few for a short training

    def __init__(self, student_channels: int, teacher_channels: int, rate: float = 0.5):
        super().__init__()
        self.student_channels = whole("student_channels", student_channels)
        self.teacher_channels = whole("teacher_channels", teacher_channels)
        self.rate = between("rate", rate, 0.01, 8)
        factors = max(1, round(self.rate * self.teacher_channels))
        self.encoder = _three(nn.Conv2d, teacher_channels, teacher_channels, factors, factors)
        self.decoder = _three(nn.ConvTranspose2d, factors, factors, teacher_channels, teacher_channels)
        self.translator = _three(nn.Conv2d, student_channels, student_channels, factors, factors)

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return the mean absolute difference of normalised factors; the paraphraser takes no gradient."""
        maps("FactorTransfer", student=student, teacher=teacher)
        same_samples("FactorTransfer", student, teacher)
        built_for("FactorTransfer", "student", student, self.student_channels)
        built_for("FactorTransfer", "teacher", teacher, self.teacher_channels)
        with without_float16(student):
            with torch.no_grad():  # first, while nothing is kept of the student's way
                taught = self.encoder(full_precision(teacher))
            known = self.translator(full_precision(student))
        known, taught = pooled_alike(full_precision(known), full_precision(taught))
        return F.l1_loss(F.normalize(known.flatten(1)), F.normalize(taught.flatten(1)))

    def preparation(self, teacher: Tensor) -> Tensor:
        """Return how far the paraphraser is from giving back the teacher's maps; gradients reach only itself."""
        maps("FactorTransfer", teacher=teacher)
        built_for("FactorTransfer", "teacher", teacher, self.teacher_channels)
        features = full_precision(teacher.detach())
        with without_float16(features):
            again = self.decoder(self.encoder(features))
        return F.mse_loss(full_precision(again), features)

    def prepared(self) -> nn.Module:
        """Return the paraphraser, to be frozen when its stage is over."""
        return nn.ModuleList([self.encoder, self.decoder])

    def extra_repr(self) -> str:
        """Show the rate in ``repr``."""
        return f"rate={self.rate:g}"


def _three(layer: type[nn.Conv2d | nn.ConvTranspose2d], *channels: int) -> nn.Sequential:
    steps: list[nn.Module] = []
    for before, after in pairwise(channels):
        steps += [layer(before, after, 3, padding=1), nn.LeakyReLU(0.1)]
    return nn.Sequential(*steps)
