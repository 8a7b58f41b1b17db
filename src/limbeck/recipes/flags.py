"""What short flags stand for in the settings."""

from collections.abc import Sequence
from typing import Any


def amount_of(text: str | None) -> float | str | None:
    """Return a flag's number as a number; anything else, a schedule say, is left to the settings' check.

    Example:
        >>> amount_of("4"), amount_of("linear(8, 1)"), amount_of(None)
        (4.0, 'linear(8, 1)', None)
    """
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def also_of(texts: Sequence[str] | None) -> list[dict[str, Any]] | None:
    """Return ``NAME`` and ``NAME=WEIGHT`` as settings of further losses.

    Example:
        >>> also_of(["RKDAngle", "RKDDistance=25"])
        [{'loss': 'RKDAngle'}, {'loss': 'RKDDistance', 'weight': 25.0}]
    """
    if not texts:
        return None
    found = []
    for text in texts:
        name, equals, weight = text.partition("=")
        found.append({"loss": name, "weight": amount_of(weight)} if equals else {"loss": name})
    return found
