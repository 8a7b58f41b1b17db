"""What answers by noisy votes give away, kept by Google's dp-accounting."""

import functools
import random
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from limbeck.checks import between
from limbeck.errors import LimbeckError

Mechanism = Literal["gaussian", "laplace"]

LEAST_NOISE = 0.1
"""Votes; below, the winner is hardly ever another than without noise."""
MOST_EPSILON = 100.0
"""Beyond, e to its power is no limit on anything, and the accountant's tables grow without bound."""


@dataclass(frozen=True)
class NoisyMax:
    """The class with the most votes, after noise is added to every class's count.

    Papernot et al., "Semi-supervised Knowledge Transfer for Deep Learning from Private Training Data" (PATE), ICLR
    2017, arXiv 1610.05755, with Laplace noise; Papernot et al., "Scalable Private Learning with PATE", ICLR 2018,
    arXiv 1802.08908, with Gaussian noise (GNMax).

    What is counted: two collections of private records are neighbours if one record of one differs in the other. It
    lies in one shard, so one teacher differs, and one vote: the counts of two classes change by one each. An answer is
    thus two Gaussian, or Laplace, mechanisms of sensitivity one (together √2 in the 2-norm, 2 in the 1-norm), of whose
    outcome only the winner is told. Answers add up by privacy loss distributions, which for Gaussian noise is exact.
    The bound depends on the number of answers alone, never on the votes, so that it may be published itself.

    Args:
        noise: in votes: the Gaussian's standard deviation, or the Laplace distribution's scale (√2 below its own).
        mechanism: ``"gaussian"`` or ``"laplace"``.

    Raises:
        LimbeckError: noise below 0.1 or not finite; another mechanism.

    Example:
        >>> NoisyMax(40.0)
        NoisyMax(noise=40.0, mechanism='gaussian')
    """

    noise: float
    mechanism: Mechanism = "gaussian"

    def __post_init__(self) -> None:
        if self.mechanism not in get_args(Mechanism):
            raise LimbeckError(f"A mechanism is 'gaussian' or 'laplace', not {self.mechanism!r}.")
        between("noise", self.noise, LEAST_NOISE, float("inf"))

    def epsilon(self, answers: int, delta: float) -> float:
        """Return ε of so many answers at ``delta``.

        Args:
            answers: how many.
            delta: between 0 and 1, both excluded.

        Raises:
            LimbeckError: dp-accounting is not installed; ``delta`` out of range.
        """
        check_delta(delta)
        return _epsilon(self, answers, delta) if answers else 0.0

    def affordable(self, epsilon: float, delta: float, most: int) -> int:
        """Return how many answers cost ``epsilon`` at most, up to ``most``.

        Args:
            epsilon: the budget.
            delta: goes with it.
            most: where to stop looking.
        """
        check_epsilon(epsilon)
        above = 1
        while above <= most and self.epsilon(above, delta) <= epsilon:
            above *= 2
        paid, above = above // 2, min(above, most + 1)
        while above - paid > 1:
            middle = (paid + above) // 2
            paid, above = (middle, above) if self.epsilon(middle, delta) <= epsilon else (paid, middle)
        return paid

    def winner(self, counts: list[int], dice: random.Random) -> int:
        """Return the class with the most votes once noise is added.

        Args:
            counts: votes of each class.
            dice: where the noise comes from.
        """
        noisy = [count + self._draw(dice) for count in counts]
        return noisy.index(max(noisy))

    def to_dict(self) -> dict[str, Any]:
        """Return noise and mechanism as a record."""
        return asdict(self)

    def _draw(self, dice: random.Random) -> float:
        if self.mechanism == "gaussian":
            return dice.gauss(0.0, self.noise)
        return dice.expovariate(1 / self.noise) - dice.expovariate(1 / self.noise)


def check_epsilon(epsilon: float) -> None:
    """Refuse a budget that is not above 0 or that promises nothing.

    Raises:
        LimbeckError: out of range.
    """
    if isinstance(epsilon, bool) or not isinstance(epsilon, int | float) or not 0 < epsilon <= MOST_EPSILON:
        raise LimbeckError(
            f"epsilon must be a number above 0 and up to {MOST_EPSILON:g}, not {epsilon!r}: 1 to 10 is usual."
        )


def check_delta(delta: float, records: int | None = None) -> None:
    """Refuse a delta that is no probability, or that lets one private record in the open be within the bound.

    Args:
        delta: chance that the bound does not hold.
        records: number of private records, where it is known.

    Raises:
        LimbeckError: not between 0 and 1, or not below 1 / records.
    """
    if isinstance(delta, bool) or not isinstance(delta, int | float) or not 0 < delta < 1:
        raise LimbeckError(
            f"delta must be a number between 0 and 1, both excluded, not {delta!r}: 1e-5 is usual."
        )
    if records is not None and delta >= 1 / records:
        raise LimbeckError(
            f"delta must be below 1 / {records}, one over the number of private records, not {delta:g}: otherwise "
            "publishing a whole record would be within the bound."
        )


@functools.cache
def _epsilon(noisy: NoisyMax, answers: int, delta: float) -> float:
    try:
        from dp_accounting import GaussianDpEvent, LaplaceDpEvent
        from dp_accounting.pld import PLDAccountant
    except ImportError as error:
        raise LimbeckError(
            "Counting what votes give away needs dp-accounting: pip install 'limbeck[private]'."
        ) from error
    event = GaussianDpEvent(noisy.noise) if noisy.mechanism == "gaussian" else LaplaceDpEvent(noisy.noise)
    # Losses are rounded up to steps; one answer's are of the order of 1 / noise, and a hundredth of that does.
    accountant = PLDAccountant(value_discretization_interval=min(1e-3, max(1e-5, 0.01 / noisy.noise)))
    # Its own neighbours, one record more or less, change a count by one: so does each half of a vote that moves.
    return float(accountant.compose(event, 2 * answers).get_epsilon(delta))
