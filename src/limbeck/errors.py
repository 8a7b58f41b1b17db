"""Mistakes a person can fix, told in one sentence."""

import difflib
from collections.abc import Iterable
from typing import ClassVar


class LimbeckError(Exception):
    """Wrong input: the message names the thing, says what was expected and the way out.

    The command line prints the message alone and exits with code 2.

    Example:
        >>> raise LimbeckError("No data 'x'. Use 'digits'.")
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: No data 'x'. Use 'digits'.
    """

    exit_code: ClassVar[int] = 2


class Stopped(LimbeckError):
    """The person asked to stop; the message says how to go on.

    Example:
        >>> Stopped("Go on with --resume.").exit_code
        130
    """

    exit_code: ClassVar[int] = 130


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest known name, or nothing when none is near.

    Args:
        name: what the person wrote.
        known: the names that exist.

    Example:
        >>> did_you_mean("digit", ["digits", "folder"])
        " Did you mean 'digits'?"
        >>> did_you_mean("dkd", ["DKD", "CRD"])
        " Did you mean 'DKD'?"
        >>> did_you_mean("zebra", ["digits"])
        ''
    """
    plain: dict[str, list[str]] = {}
    for each in known:
        plain.setdefault(each.lower(), []).append(each)
    found = difflib.get_close_matches(name.lower(), list(plain), n=3, cutoff=0.6)
    near = [each for one in found for each in plain[one]][:3]
    if not near:
        return ""
    return " Did you mean " + " or ".join(repr(each) for each in near) + "?"
