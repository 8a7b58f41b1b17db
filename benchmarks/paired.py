"""Measure contenders side by side, so that a machine that slows down slows all of them."""

import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of paired ratios."""

    median: float
    q1: float
    q3: float

    def __str__(self) -> str:
        return f"{self.median:.3f} [{self.q1:.3f}, {self.q3:.3f}]"


@dataclass(frozen=True)
class Times:
    """What each contender took in each round.

    Args:
        wall: name -> seconds by the clock.
        cpu: name -> seconds of processor time, which other programs on the machine disturb less.
    """

    wall: dict[str, list[float]]
    cpu: dict[str, list[float]]

    def ratio(self, name: str, over: str, clock: str = "wall") -> Spread:
        """Return how ``name`` compares with ``over``, round by round; below 1 is faster."""
        times: dict[str, list[float]] = getattr(self, clock)
        ratios = [mine / theirs for mine, theirs in zip(times[name], times[over], strict=True)]
        if len(ratios) == 1:
            return Spread(ratios[0], ratios[0], ratios[0])
        q1, median, q3 = statistics.quantiles(ratios, n=4, method="inclusive")
        return Spread(median, q1, q3)

    def figures(self, over: str) -> dict[str, Any]:
        """Return every contender's seconds and ratios over ``over``, for a record."""
        return {
            name: {
                "seconds_median": statistics.median(seconds),
                "wall_ratio": asdict(self.ratio(name, over)),
                "cpu_ratio": asdict(self.ratio(name, over, "cpu")),
                "seconds": [round(each, 5) for each in seconds],
            }
            for name, seconds in self.wall.items()
        }


def alternate(contenders: Mapping[str, Callable[[], object]], rounds: int) -> Times:
    """Run the contenders in turn, every other round in reverse (A B, B A, …), after one round that is not counted.

    Args:
        contenders: name -> the work to be timed.
        rounds: how often each is timed.
    """
    times = Times({name: [] for name in contenders}, {name: [] for name in contenders})
    for number in range(rounds + 1):
        for name in sorted(contenders, key=list(contenders).index, reverse=number % 2 == 0):
            wall, cpu = time.perf_counter(), _processor_time()
            contenders[name]()
            if number:
                times.wall[name].append(time.perf_counter() - wall)
                times.cpu[name].append(_processor_time() - cpu)
    return times


def _processor_time() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system
