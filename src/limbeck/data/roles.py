"""What each role has of its own: whose, and whether it has."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from limbeck.errors import LimbeckError, did_you_mean


def of_roles(given: Any, roles: Sequence[str], what: str) -> dict[str, Any]:
    """Return what each role has of a setting: its own where there is one for each, else the one of all.

    Args:
        given: a mapping from role, or one for all.
        roles: which are wanted.
        what: the setting is called, for the message.

    Raises:
        LimbeckError: a mapping that lacks a role.

    Example:
        >>> of_roles({"teacher": 1, "student": 2}, ["teacher"], "inputs"), of_roles(3, ["teacher"], "inputs")
        ({'teacher': 1}, {'teacher': 3})
    """
    if not isinstance(given, Mapping):
        return dict.fromkeys(roles, given)
    for role in roles:
        if role not in given:
            raise LimbeckError(
                f"There is no {what} for the role {role!r}, only for {', '.join(map(repr, given))}: ask for one of "
                f"those.{did_you_mean(role, given)}"
            )
    return {role: given[role] for role in roles}


def kept(known: Mapping[str, Any], spared: Collection[str]) -> list[str]:
    """Return the roles whose inputs are made.

    Args:
        known: what each role has.
        spared: roles to leave out; others may be among them.

    Raises:
        LimbeckError: none is left.

    Example:
        >>> kept({"teacher": 1, "student": 2}, ["teacher", "teacher-2"])
        ['student']
    """
    left = [role for role in known if role not in spared]
    if not left:
        raise LimbeckError(
            f"Every role is spared ({', '.join(map(repr, known))}), so there is nothing to read: leave one."
        )
    return left


def check_roles(augment: Mapping[str, Any], inputs: Any) -> None:
    """Refuse augmentations and inputs that are not for the same roles.

    Args:
        augment: each role's.
        inputs: each role's, or one for all.

    Raises:
        LimbeckError: a role that has one and not the other; no roles.
    """
    if not augment:
        raise LimbeckError("Augmentations by role need at least one role: give {'student': …, 'teacher': …}.")
    for role in inputs if isinstance(inputs, Mapping) else ():
        if role not in augment:
            raise LimbeckError(
                f"There is no augmentation for the role {role!r}, only for {', '.join(map(repr, augment))}: give it "
                f"one, or None to see samples as they are.{did_you_mean(role, augment)}"
            )
    for role in augment:
        if isinstance(inputs, Mapping) and role not in inputs:
            raise LimbeckError(
                f"There is an augmentation for the role {role!r}, but no input transform, only for "
                f"{', '.join(map(repr, inputs))}: give it one.{did_you_mean(role, inputs)}"
            )
