"""Annealing knowledge distillation (Jafari, Rezagholizadeh, Sharma, Ghodsi 2021)."""

from typing import ClassVar

from torch import Tensor

from limbeck.checks import whole
from limbeck.functional.precision import full_precision
from limbeck.losses.base import DistillationLoss, same_shape
from limbeck.types import Context, Progress


class AnnealingKD(DistillationLoss):
    """Regress the teacher's logits, shrunk at first and let out step by step: ½ ‖z_s − Φ z_t‖², Φ rising to 1.

    Jafari, Rezagholizadeh, Sharma, Ghodsi, "Annealing Knowledge Distillation", EACL 2021, arXiv 2104.07163. A flat
    teacher is easier to follow than a sharp one, so the temperature falls from τ to 1 in steps of one, and the
    student follows. This is the paper's first stage; its second trains on the labels alone: give it as a stage of its
    own (:class:`limbeck.Supervised`, started from this stage's student).

    Definition:
        With τ = ``steps_of_temperature``, and s of S optimizer steps of the stage done (``context.progress``)::

            k    = min(floor(s · τ / S), τ − 1)                  stairs climbed, 0 to τ − 1
            Φ    = (k + 1) / τ                                   1/τ at first, 1 during the last τ-th of the steps
            loss = Σ over every element of (z_s − Φ · z_t)²  /  (2 · N)

        N is the length of the first axis. Φ = 1 where no progress is given: :class:`LogitRegression`.

    Differs from the paper:
        The paper writes ‖·‖² without the half, and its public code (huawei-noah, KD-NLP) takes PyTorch's mean over
        samples and classes: C/2 times less than here. Its temperature T = τ … 1 enters as Φ = 1 − (T − 1)/τ, the same
        numbers. The paper keeps the stage's best student by validation for the second stage.

    When it helps:
        Where the gap between teacher and student is large. It spends a share of the budget on targets that are wrong
        on purpose; with few epochs plain :class:`KD` may be ahead.

    Args:
        steps_of_temperature: τ_max, how many temperatures are gone through; 10 is the default of the public code for
            CIFAR.

    Shape:
        student and teacher (N, C) logits; any equal shape is accepted; returns a scalar, a mean over samples.

    Raises:
        LimbeckError: not a whole number above zero; shapes that differ.

    Example:
        >>> import torch
        >>> student, teacher = torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 0.0]])
        >>> AnnealingKD()(student, teacher).item()
        0.5
        >>> AnnealingKD(steps_of_temperature=2)(student, teacher, Context(progress=Progress(0, 10))).item()
        0.0
    """

    paper: ClassVar[str] = "Jafari, Rezagholizadeh, Sharma, Ghodsi 2021, arXiv 2104.07163"
    usual_weights: ClassVar[tuple[float, float]] = (0.0, 1.0)  # the first stage has no hard loss
    first_stage: ClassVar[float] = 2 / 3  # the public code's 200 of 300 epochs

    def __init__(self, steps_of_temperature: int = 10):
        super().__init__()
        self.steps_of_temperature = whole("steps_of_temperature", steps_of_temperature)

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return ½ ‖z_s − Φ z_t‖², a mean over samples."""
        same_shape("AnnealingKD", student, teacher)
        phi = self.phi(context.progress if context else None)
        difference = full_precision(student) - phi * full_precision(teacher.detach())
        return 0.5 * difference.square().sum() / student.shape[0]

    def phi(self, progress: Progress | None) -> float:
        """Return Φ, by which the teacher's logits are multiplied, at this point of the training."""
        if progress is None:
            return 1.0
        # in whole numbers: as a fraction, step 29 of 100 would still be on stair 28 of 100
        climbed = progress.step * self.steps_of_temperature // max(1, progress.total_steps)
        return min(climbed + 1, self.steps_of_temperature) / self.steps_of_temperature

    def extra_repr(self) -> str:
        """Show the number of temperatures in ``repr``."""
        return f"steps_of_temperature={self.steps_of_temperature}"
