"""What decides a view, in words that are the same in every process."""

import inspect
from collections.abc import Mapping
from typing import Any


def description(part: Any) -> str:
    """Return a text that is the same in every process for the same transform, and another for another.

    Args:
        part: a transform or an augmentation; anything.

    Example:
        >>> from limbeck.data import Shift
        >>> description(Shift(2))
        'limbeck.data.augment.Shift: Shift(padding=2, flip=False)'
    """
    if hasattr(part, "fingerprint"):
        return str(part.fingerprint())
    if inspect.isroutine(part):
        try:
            return f"{part.__module__}.{part.__qualname__}: {inspect.getsource(part)}"
        except (OSError, TypeError):
            return f"{part.__module__}.{part.__qualname__}"
    kind = f"{type(part).__module__}.{type(part).__qualname__}"
    text = repr(part)
    # a default repr carries a memory address, which says nothing
    return kind if " at 0x" in text else f"{kind}: {text}"


def readable(part: Any) -> str:
    """Return :func:`description` for people: ``none`` for nothing, words before a fingerprint.

    Args:
        part: a transform or an augmentation, or ``None``.

    Example:
        >>> from limbeck.data import InputTransform
        >>> readable(InputTransform(None, 1, (0.5,), (0.5,))).partition(" (")[0]
        'any size grey, mean 0.5, std 0.5'
    """
    if part is None:
        return "none"
    # rounded numbers in words would hide a small difference
    text = description(part)
    if hasattr(part, "describe"):
        return f"{part.describe()} ({text[:16]})"
    # of limbeck's own the class says which it is; another module may have one of the same name
    return text.partition(": ")[2] if text.startswith("limbeck.data.augment.") else text


def told(values: Mapping[str, str]) -> str:
    """Return what holds of several roles in a line: once where it is the same for all.

    Example:
        >>> told({"teacher": "none", "student": "none"}), told({"teacher": "shift", "student": "none"})
        ('none', 'student: none; teacher: shift')
    """
    if len(set(values.values())) == 1:
        return next(iter(values.values()))
    return "; ".join(f"{role}: {values[role]}" for role in sorted(values))


def seeds_told(augments: Mapping[str, Any], by_role: bool, seed: int, drawn: bool) -> str:
    """Return the seed of each role's draws, and whose own they are; where nothing is drawn, none counts.

    Args:
        augments: each role's augmentation, or ``None``.
        by_role: whether each role draws for itself.
        seed: of the views.
        drawn: whether something is drawn besides: by a source that draws as it reads, or of partners to mix with.

    Example:
        >>> seeds_told({"teacher": None}, False, 3, drawn=False), seeds_told({"teacher": str}, True, 3, drawn=False)
        ('none', "3, teacher's own")
    """
    counted = {role for role, augment in augments.items() if augment is not None or drawn}
    return told(
        {
            role: "none" if role not in counted else f"{seed}, {role}'s own" if by_role else str(seed)
            for role in augments
        }
    )
