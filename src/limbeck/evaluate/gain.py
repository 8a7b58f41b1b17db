"""What distillation gave, with an interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["helped", "no evidence", "hurt"]


@dataclass(frozen=True)
class Gain:
    """Student against the same student alone, paired by seed; positive is better whatever the metric.

    Args:
        mean: mean difference.
        ci95: 95 % interval of the mean difference, or ``None`` for a single seed.
        gap_recovered: (distilled − alone) / (teacher − alone), or ``None`` when the teacher is no better.
        verdict: ``"helped"`` or ``"hurt"`` when the interval leaves out zero, else ``"no evidence"``.
    """

    mean: float
    ci95: tuple[float, float] | None
    gap_recovered: float | None
    verdict: Verdict


NO_WIDTH = 1e-6  # scores are float32: equal differences differ in their last digits


def paired_gain(
    student: Sequence[float], alone: Sequence[float], teacher: float | None, higher_is_better: bool = True
) -> Gain:
    """Compare scores paired by seed with Student's t.

    Args:
        student: the distilled student's scores, one per seed.
        alone: the same student's without a teacher, in the same order of seeds.
        teacher: the teacher's score, or ``None``.
        higher_is_better: the metric's direction.

    Example:
        >>> paired_gain([0.9, 0.92, 0.92], [0.8, 0.82, 0.81], teacher=1.0).verdict
        'helped'
        >>> paired_gain([0.9], [0.8], teacher=1.0).verdict
        'no evidence'
    """
    sign = 1.0 if higher_is_better else -1.0
    differences = [sign * (s - a) for s, a in zip(student, alone, strict=True)]
    count = len(differences)
    mean = math.fsum(differences) / count
    interval = _interval(differences, mean) if count > 1 else None
    if interval is not None and mean and interval[1] - interval[0] < NO_WIDTH:
        interval = None  # few seeds fell by chance on one count: how they spread is not known
    gap = None
    if teacher is not None:
        room = sign * (teacher - math.fsum(alone) / count)
        gap = mean / room if room > 0 else None
    return Gain(mean, interval, gap, _verdict(interval))


def _interval(differences: Sequence[float], mean: float) -> tuple[float, float]:
    from scipy.stats import t

    count = len(differences)
    spread = math.sqrt(math.fsum((each - mean) ** 2 for each in differences) / (count - 1))
    half = float(t.ppf(0.975, count - 1)) * spread / math.sqrt(count)
    return mean - half, mean + half


def _verdict(interval: tuple[float, float] | None) -> Verdict:
    if interval is None or interval[0] <= 0 <= interval[1]:
        return "no evidence"
    return "helped" if interval[0] > 0 else "hurt"
