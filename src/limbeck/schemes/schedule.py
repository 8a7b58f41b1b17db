"""Weights and temperatures that change while training goes on."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import ClassVar, TypeAlias

from limbeck.errors import LimbeckError, did_you_mean
from limbeck.types import Progress

Schedule: TypeAlias = Callable[[Progress], float]


@dataclass(frozen=True)
class Ramp:
    """A value that goes from ``first`` to ``last`` between two points of the training.

    Args:
        first: value until ``begin``.
        last: value from ``end`` on.
        begin: share of the optimizer steps, 0 to 1, at which it starts to change.
        end: share at which it has arrived.

    Raises:
        LimbeckError: a value below zero or not finite; ``begin`` and ``end`` not in order between 0 and 1.
    """

    name: ClassVar[str]

    first: float
    last: float
    begin: float = 0.0
    end: float = 1.0

    def __post_init__(self) -> None:
        if not all(0 <= value < math.inf for value in (self.first, self.last)):
            raise LimbeckError(
                f"{self.name} goes between finite values of at least 0, not {self.first} and {self.last}."
            )
        if not 0 <= self.begin <= self.end <= 1:
            raise LimbeckError(
                f"{self.name} changes between begin and end, shares of the training with 0 <= begin <= end <= 1, "
                f"not {self.begin} and {self.end}."
            )

    def passed(self, progress: Progress) -> float:
        """Return which share of the change is done."""
        if progress.fraction >= self.end:
            return 1.0
        if progress.fraction <= self.begin:
            return 0.0
        return (progress.fraction - self.begin) / (self.end - self.begin)

    def __str__(self) -> str:
        span = "" if (self.begin, self.end) == (0, 1) else f", begin={self.begin:g}, end={self.end:g}"
        return f"{self.name}({self.first:g}, {self.last:g}{span})"


class Linear(Ramp):
    """A value that changes by the same amount at every step.

    Example:
        >>> Linear(1.0, 0.0, end=0.5)(Progress(step=1, total_steps=4))
        0.5
    """

    name: ClassVar[str] = "linear"

    def __call__(self, progress: Progress) -> float:
        """Return the value at this point of training."""
        return self.first + (self.last - self.first) * self.passed(progress)


class Cosine(Ramp):
    """A value that changes slowly at both ends: half a period of a cosine.

    Example:
        >>> round(Cosine(1.0, 0.0)(Progress(step=1, total_steps=4)), 3)
        0.854
    """

    name: ClassVar[str] = "cosine"

    def __call__(self, progress: Progress) -> float:
        """Return the value at this point of training."""
        return self.last + (self.first - self.last) * 0.5 * (1 + math.cos(math.pi * self.passed(progress)))


@dataclass(frozen=True)
class Step:
    """A value that jumps once.

    Args:
        first: value before.
        last: value from then on.
        at: share of the optimizer steps, 0 to 1, at which it jumps.

    Raises:
        LimbeckError: a value below zero or not finite; ``at`` outside 0..1.

    Example:
        >>> [Step(1.0, 0.0, at=0.5)(Progress(step=step, total_steps=4)) for step in range(4)]
        [1.0, 1.0, 0.0, 0.0]
    """

    name: ClassVar[str] = "step"

    first: float
    last: float
    at: float = 0.5

    def __post_init__(self) -> None:
        if not all(0 <= value < math.inf for value in (self.first, self.last)):
            raise LimbeckError(
                f"step goes between finite values of at least 0, not {self.first} and {self.last}."
            )
        if not 0 <= self.at <= 1:
            raise LimbeckError(f"step jumps at a share of the training from 0 to 1, not at {self.at}.")

    def __call__(self, progress: Progress) -> float:
        """Return the value at this point of training."""
        return self.last if progress.fraction >= self.at else self.first

    def __str__(self) -> str:
        return f"step({self.first:g}, {self.last:g}, at={self.at:g})"


SCHEDULES = {each.name: each for each in (Linear, Cosine, Step)}


def parse_schedule(text: str) -> Schedule:
    """Return the schedule a text states, as a config file or a flag gives it.

    Args:
        text: ``linear(FIRST, LAST)``, ``cosine(FIRST, LAST, begin=0.1, end=0.9)`` or ``step(FIRST, LAST, at=0.5)``.

    Raises:
        LimbeckError: no such schedule, or settings it does not have.

    Example:
        >>> str(parse_schedule("linear(0.9, 0.1)"))
        'linear(0.9, 0.1)'
    """
    found = re.fullmatch(r"\s*([a-z]+)\s*\((.*)\)\s*", text)
    if found is None:
        raise LimbeckError(f"{text!r} is neither a number nor a schedule such as linear(0.9, 0.1).")
    name, inside = found.groups()
    if name not in SCHEDULES:
        raise LimbeckError(
            f"No schedule {name!r}; there are {', '.join(SCHEDULES)}.{did_you_mean(name, SCHEDULES)}"
        )
    kind = SCHEDULES[name]
    known = [each.name for each in fields(kind)]
    given: dict[str, float] = {}
    for place, part in enumerate(inside.split(",")):
        key, equals, value = part.rpartition("=")
        key = key.strip() if equals else (known[place] if place < len(known) else "")
        if key not in known or key in given:
            raise LimbeckError(f"{text!r}: {name} takes {', '.join(known)}, each once.")
        given[key] = _number(value, text)
    if not {"first", "last"} <= given.keys():
        raise LimbeckError(f"{text!r} lacks a value: {name} goes from a first to a last, {name}(0.9, 0.1).")
    schedule: Schedule = kind(**given)
    return schedule


def _number(value: str, text: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise LimbeckError(f"{value.strip()!r} in {text!r} is not a number.") from None


def value_at(amount: float | Schedule, progress: Progress) -> float:
    """Return an amount now: itself, or what its schedule says at this point of training.

    Example:
        >>> value_at(lambda progress: progress.fraction, Progress(step=1, total_steps=4))
        0.25
    """
    return amount(progress) if callable(amount) else amount


def told(amount: float | Schedule) -> str:
    """Return an amount as text: the number, the schedule as a config states it, or the function's name.

    Example:
        >>> told(0.5), told(Linear(1, 0))
        ('0.5', 'linear(1, 0)')
    """
    if not callable(amount):
        return f"{amount:g}"
    if isinstance(amount, Ramp | Step):
        return str(amount)
    return getattr(amount, "__qualname__", type(amount).__name__)
