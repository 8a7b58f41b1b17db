"""The average of the student's weights over its last steps (Tarvainen & Valpola 2017)."""

import torch
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.teachers.copied import Copied


class Ema(Copied):
    """An exponential moving average of the student: teacher ← d · teacher + (1 − d) · student after each step.

    Tarvainen, Valpola, "Mean teachers are better role models: Weight-averaged consistency targets improve
    semi-supervised deep learning results", 2017, arXiv 1703.01780. A module with a state of its own: register it in
    the scheme, which then saves, moves and resumes it.

    Definition:
        At the t-th call of :meth:`follow`, t = 1, 2, …, with d = min(1 − 1 / (t + 1), ``decay``)::

            θ_teacher ← d · θ_teacher + (1 − d) · θ_student

        so that the teacher is the plain mean of the student's first states (that it began with counts as one) until
        ``decay`` takes over, as in the public code. Buffers of floating point, such as BatchNorm's statistics, are
        averaged alike: they belong to weights, and an average of weights needs statistics of the same span. Buffers
        of integers (counters, tables) are copied.

    Differs from the paper:
        In the public code the teacher is in training mode and so normalises by the batch at hand, with dropout; here
        it is in eval mode, deterministic, and that is why its statistics are averaged.

    Args:
        student: the network to follow; the teacher begins as it is now.
        decay: d in the long run, at least 0 and below 1; an average over about 1 / (1 − d) steps.
        role: which of the batch's inputs it reads, where models have their own.

    Raises:
        LimbeckError: not a module; a decay out of range; weights in half precision, in which small steps are rounded
            away; following a network of another structure.

    Example:
        >>> student = nn.Linear(1, 1, bias=False)
        >>> _ = nn.init.constant_(student.weight, 0.0)
        >>> teacher = Ema(student, decay=0.9)
        >>> _ = nn.init.constant_(student.weight, 1.0)
        >>> teacher.follow(student)  # the mean of 0 and 1
        >>> teacher.model.weight.item()
        0.5
    """

    steps: Tensor

    def __init__(self, student: nn.Module, decay: float = 0.999, role: str = "teacher"):
        super().__init__(student, role)
        if isinstance(decay, bool) or not isinstance(decay, int | float) or not 0 <= decay < 1:
            raise LimbeckError(
                f"decay must be a number of at least 0 and below 1, such as 0.999, not {decay!r}."
            )
        for name, each in self.model.named_parameters():
            if each.dtype in (torch.float16, torch.bfloat16):
                raise LimbeckError(
                    f"Ema would lose its small steps in {name!r}, which is in half precision: keep the student's "
                    "weights in float32, and train with Plan(precision='bf16') or autocast."
                )
        self.decay = float(decay)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def follow(self, student: nn.Module) -> None:
        """Move towards the student; to be called once after each optimizer step.

        Args:
            student: the network that this teacher was made of.
        """
        self.steps += 1
        # Counted and computed on the device, so that nothing waits for it.
        share = (1 / (self.steps + 1)).clamp(min=1 - self.decay)
        averages, current = self.parameters_beside(student)
        gaps = torch._foreach_sub(current, averages)
        torch._foreach_mul_(gaps, share)
        torch._foreach_add_(averages, gaps)
        for average, now in self.buffers_beside(student):
            average.copy_(_averaged(average, now, share) if average.is_floating_point() else now)

    def extra_repr(self) -> str:
        """Show the decay in ``repr``."""
        return f"decay={self.decay:g}"


def _averaged(average: Tensor, now: Tensor, share: Tensor) -> Tensor:
    """Return ``average`` moved towards ``now``; masks hold -inf, and -inf - -inf is no number."""
    return torch.where(now == average, average, average + share * (now - average))
