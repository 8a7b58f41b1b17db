"""Settings that may be a number or a schedule, and pairs of layers, as a config states them."""

from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator

from limbeck.errors import LimbeckError
from limbeck.schemes.schedule import Schedule, parse_schedule


def _amount(value: Any) -> Any:
    """Accept a finite number of at least zero, or a schedule as text."""
    if isinstance(value, str):
        try:
            parse_schedule(value)
        except LimbeckError as error:
            raise ValueError(str(error)) from error
    elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ValueError(
            f"must be a finite number of at least 0, or a schedule such as linear(0.9, 0.1), not {value!r}"
        )
    return value


def _temperature(value: Any) -> Any:
    """Accept a number above zero, or a schedule that never reaches zero."""
    if min(ends(_amount(value))) <= 0:
        raise ValueError(f"must be above 0, not {value}")
    return value


def _pair(text: str) -> str:
    student, equals, teacher = text.partition("=")
    if not equals or not student.strip() or not teacher.strip():
        raise ValueError(f"a pair of layers is written STUDENT=TEACHER, such as layer3=layer4, not {text!r}")
    return text


Amount: TypeAlias = Annotated[float | str, BeforeValidator(_amount)]
"""A number, or a schedule as text: ``linear(0.9, 0.1)``, ``cosine(…)``, ``step(…)``."""
Temperature: TypeAlias = Annotated[float | str, BeforeValidator(_temperature)]
"""The same, above zero."""
LayerPair: TypeAlias = Annotated[str, AfterValidator(_pair)]
"""``STUDENT_LAYER=TEACHER_LAYER``, as ``limbeck layers`` writes them."""


def ends(value: float | str) -> tuple[float, float]:
    """Return where an amount starts and where it ends.

    Example:
        >>> ends("linear(8, 1)"), ends(4.0)
        ((8.0, 1.0), (4.0, 4.0))
    """
    if isinstance(value, str):
        schedule: Any = parse_schedule(value)
        return schedule.first, schedule.last
    return value, value


def as_amount(value: float | str) -> float | Schedule:
    """Return a number as it is, and a schedule's text as the schedule.

    Example:
        >>> as_amount(1), str(as_amount("linear(8, 1)"))
        (1.0, 'linear(8, 1)')
    """
    return parse_schedule(value) if isinstance(value, str) else float(value)
