"""From each teacher's class names to the classes of all of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from limbeck.errors import LimbeckError, did_you_mean


def renamed(
    names: Sequence[str], mapping: Mapping[str, str] | None = None, prefix: str = ""
) -> tuple[str, ...]:
    """Return one teacher's class names as the union of several teachers spells them.

    Two teachers' classes are one class when they are spelt alike: a mapping brings together what is the same
    (``{"automobile": "car"}``), a prefix keeps apart what is not (``"digit 3"`` and ``"article 3"``).

    Args:
        names: the teacher's own, in the order of its outputs.
        mapping: own name -> name in the union; names it lacks get the prefix.
        prefix: put before every name that is not mapped.

    Raises:
        LimbeckError: a mapping from a class that the teacher does not have; two of its classes that become one.

    Example:
        >>> renamed(["automobile", "bird"], {"automobile": "car"})
        ('car', 'bird')
        >>> renamed(["0", "1"], prefix="digit ")
        ('digit 0', 'digit 1')
    """
    own, mapping = own_names(names), mapping or {}
    unknown = [each for each in mapping if each not in own]
    if unknown:
        raise LimbeckError(
            f"The mapping renames {unknown[0]!r}, which is no class of this teacher.{did_you_mean(unknown[0], own)}"
        )
    found = tuple(mapping.get(each, f"{prefix}{each}") for each in own)
    twice = _repeated(found)
    if twice is not None:
        both = " and ".join(repr(each) for each, new in zip(own, found, strict=True) if new == twice)
        raise LimbeckError(
            f"The classes {both} of one teacher would both be called {twice!r}: keep them apart."
        )
    return found


def union_of(classes: Sequence[Sequence[str]], union: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the classes of all teachers: in order of first appearance, or ``union`` after checking it.

    Args:
        classes: each teacher's names in the union.
        union: the order wanted.

    Raises:
        LimbeckError: a name that stands twice; a class of a teacher that is not in the union, or the reverse.

    Example:
        >>> union_of([["cat", "dog"], ["dog", "fox"]])
        ('cat', 'dog', 'fox')
    """
    known = tuple(dict.fromkeys(name for names in classes for name in own_names(names)))
    if union is None:
        return known
    wanted = own_names(union)
    lacking = [each for each in known if each not in wanted]
    if lacking:
        raise LimbeckError(
            f"A teacher's class {lacking[0]!r} is not in the union.{did_you_mean(lacking[0], wanted)} Add it, or bring "
            "the teacher's name to the union's with limbeck.teachers.renamed."
        )
    untaught = [each for each in wanted if each not in known]
    if untaught:
        raise LimbeckError(
            f"No teacher knows {untaught[0]!r} of the union.{did_you_mean(untaught[0], known)} Leave it out, or add a "
            "teacher of it."
        )
    return wanted


def own_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return class names as a tuple, once each is known to stand there once.

    Raises:
        LimbeckError: no names; no sequence of text; a name that stands twice.
    """
    given: Any = names
    if isinstance(given, str) or not all(isinstance(each, str) for each in given):
        raise LimbeckError(f"Class names are a list of texts, such as ['cat', 'dog'], not {given!r}.")
    if not given:
        raise LimbeckError("A list of class names is empty: name each of the outputs.")
    twice = _repeated(tuple(given))
    if twice is not None:
        raise LimbeckError(
            f"The class {twice!r} stands twice in one list: each output needs a name of its own."
        )
    return tuple(given)


def _repeated(names: tuple[str, ...]) -> str | None:
    return next((each for each in names if names.count(each) > 1), None)
