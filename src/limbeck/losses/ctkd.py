"""Curriculum temperature for knowledge distillation (Li et al. 2023)."""

from math import cos, pi
from typing import ClassVar

import torch
from torch import Tensor, nn

from limbeck.checks import between, positive
from limbeck.functional.divergence import soft_kl
from limbeck.functional.reversal import reversed_gradient
from limbeck.losses.base import DistillationLoss
from limbeck.losses.rows import rows
from limbeck.types import Context


class CTKD(DistillationLoss):
    """KD at a temperature that is learnt against the student: T² · KL(p_t ‖ p_s), maximised over T.

    Li, Li, Yang, Zhao, Song, Luo, Li, Yang, "Curriculum Temperature for Knowledge Distillation", AAAI 2023, arXiv
    2211.16231. The temperature sets how hard the lesson is. It is learnt by the same optimizer as the student, but
    its gradient is reversed, so that it moves to raise the loss; the reversal sets in slowly, from easy to hard.

    Definition:
        θ is one learnt number for all samples, 1 at first::

            T = lowest + (highest − lowest) · sigmoid(θ)
            loss = T² · 1/R · Σ_rows Σ_c p_t log(p_t / p_s),   p = softmax(z / T)

        The student's gradient is that of this loss at fixed T. θ's gradient is −s · ∂loss/∂θ, T² included, with
        s = ½ (1 − cos(π · min(1, fraction / ramp))), fraction the share of the optimizer steps that are done
        (``context.progress``); s = 1 without progress, and for ramp = 0.

    Differs from the paper:
        The global form only; the paper also has an instance-wise one, in which a small network gives each sample a
        temperature. Its public code counts the ramp in epochs (10 of 240) and steps at
        epochs; here it is a share of the training, so that it suits any budget, and is smooth.

    When it helps:
        When a search for the temperature is too dear. T tends to climb while T² · KL grows with it, and how fast
        depends on the optimizer: θ follows the student's learning rate and weight decay.

    Args:
        lowest: lower bound of the temperature, above 0 (the paper: 1).
        highest: upper bound, at least ``lowest`` (the paper: 1 + 20).
        ramp: share of the training over which the reversal sets in, 0 to 1 (the public code: 10 of 240 epochs).

    Shape:
        student and teacher (N, C) or (N, L, C) logits; returns a scalar, a mean over rows.

    Raises:
        LimbeckError: settings out of range; shapes that differ; fewer than two classes.

    Example:
        >>> import torch
        >>> loss = CTKD()
        >>> round(loss.temperature.item(), 2)  # 1 + 20 · sigmoid(1)
        15.62
        >>> logits = torch.tensor([[2.0, 0.0, -1.0]])
        >>> loss(logits, logits).item()
        0.0
    """

    paper: ClassVar[str] = "Li, Li, Yang, Zhao, Song, Luo, Li, Yang 2023, arXiv 2211.16231"

    def __init__(self, lowest: float = 1.0, highest: float = 21.0, ramp: float = 10 / 240):
        super().__init__()
        self.lowest = positive("lowest", lowest)
        self.highest = between("highest", highest, self.lowest, float("inf"))
        self.ramp = between("ramp", ramp, 0, 1)
        self.theta = nn.Parameter(torch.ones(()))

    @property
    def temperature(self) -> Tensor:
        """The temperature now, a scalar between ``lowest`` and ``highest``."""
        return self.lowest + (self.highest - self.lowest) * torch.sigmoid(self.theta)

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return T² · KL(p_t ‖ p_s) at the learnt temperature, whose gradient is reversed."""
        known, taught = rows("CTKD", student, teacher)
        temperature = reversed_gradient(self.temperature, self.strength(context))
        return temperature**2 * soft_kl(known, taught, temperature)

    def strength(self, context: Context | None = None) -> float:
        """Return s, the share of θ's reversed gradient that is passed on now.

        Example:
            >>> from limbeck.types import Progress
            >>> round(CTKD(ramp=0.5).strength(Context(progress=Progress(step=1, total_steps=4))), 4)
            0.5
        """
        if context is None or context.progress is None or self.ramp == 0:
            return 1.0
        return 0.5 * (1 - cos(pi * min(1.0, context.progress.fraction / self.ramp)))

    def extra_repr(self) -> str:
        """Show the settings in ``repr``."""
        return f"lowest={self.lowest:g}, highest={self.highest:g}, ramp={self.ramp:g}"
