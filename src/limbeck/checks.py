"""Settings out of range, refused in a sentence that names them."""

from collections.abc import Sequence

from limbeck.errors import LimbeckError

LEAST_TEMPERATURE, MOST_TEMPERATURE = 1e-3, 1e6


def positive(name: str, value: float) -> float:
    """Return ``value`` when it is a finite number above zero, and refuse it otherwise.

    Args:
        name: the setting's name, for the message.
        value: what was given.

    Raises:
        LimbeckError: not above zero, not finite, not a number.

    Example:
        >>> positive("temperature", 4)
        4.0
    """
    if _not_a_number(value) or not 0 < value < float("inf"):
        raise LimbeckError(f"{name} must be a finite number above 0, not {value!r}.")
    return float(value)


def between(name: str, value: float, low: float, high: float) -> float:
    """Return ``value`` when it is a number from ``low`` to ``high``, and refuse it otherwise.

    Args:
        name: the setting's name, for the message.
        value: what was given.
        low: smallest value allowed.
        high: largest value allowed; both may be infinite, and then the value must still be finite.

    Raises:
        LimbeckError: outside, not finite, not a number.

    Example:
        >>> between("mixture", 0.1, 0, 1)
        0.1
    """
    if _not_a_number(value) or not low <= value <= high or value in (float("inf"), float("-inf")):
        limits = f" of at least {low:g}" if high == float("inf") else f" from {low:g} to {high:g}"
        if low == float("-inf"):
            limits = "" if high == float("inf") else f" of at most {high:g}"
        raise LimbeckError(f"{name} must be a finite number{limits}, not {value!r}.")
    return float(value)


def temperature_in_range(value: float) -> float:
    """Return a temperature from 0.001 to a million: beyond, softened logits are not finite or all the same.

    Args:
        value: what was given.

    Raises:
        LimbeckError: out of range, or not a number.

    Example:
        >>> temperature_in_range(4)
        4.0
    """
    if _not_a_number(value) or not LEAST_TEMPERATURE <= value <= MOST_TEMPERATURE:
        raise LimbeckError(
            f"temperature must be a number above 0, from {LEAST_TEMPERATURE:g} to {MOST_TEMPERATURE:,.0f}, not "
            f"{value!r}: 4 is a usual start."
        )
    return float(value)


def switch(name: str, value: bool) -> bool:
    """Return ``value`` when it is true or false, and refuse it otherwise.

    Args:
        name: the setting's name, for the message.
        value: what was given.

    Raises:
        LimbeckError: something else, such as a word.

    Example:
        >>> switch("centred", True)
        True
    """
    if not isinstance(value, bool):
        raise LimbeckError(f"{name} is true or false, not {value!r}.")
    return value


def whole(name: str, value: int, low: int = 1) -> int:
    """Return ``value`` when it is a whole number of at least ``low``, and refuse it otherwise.

    Args:
        name: the setting's name, for the message.
        value: what was given.
        low: smallest value allowed.

    Raises:
        LimbeckError: smaller, or not a whole number.

    Example:
        >>> whole("student_channels", 64)
        64
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise LimbeckError(f"{name} must be a whole number of at least {low}, not {value!r}.")
    return value


def widths(name: str, value: Sequence[int], least: int = 1) -> tuple[int, ...]:
    """Return channel counts, one for each layer, after checking them.

    Args:
        name: the setting's name, for the message.
        value: what was given.
        least: how many layers there must be.

    Raises:
        LimbeckError: no sequence of whole numbers above zero, or too few of them.

    Example:
        >>> widths("student_channels", [16, 32])
        (16, 32)
    """
    if not isinstance(value, Sequence) or len(value) < least:
        raise LimbeckError(f"{name} must list the channels of at least {least} layers, not {value!r}.")
    return tuple(whole(f"each of {name}", each) for each in value)


def _not_a_number(value: object) -> bool:
    return isinstance(value, bool) or not isinstance(value, int | float)
