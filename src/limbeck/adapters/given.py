"""What adapters accept, and the sentences for what they do not."""

from typing import Any

from torch import Tensor

from limbeck.checks import whole
from limbeck.errors import LimbeckError


def pair(name: str, value: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """Return a size as (H, W), from (H, W) or from one number for both; ``None`` stays ``None``.

    Args:
        name: the setting's name, for the message.
        value: what was given.

    Raises:
        LimbeckError: not one or two whole numbers above zero.

    Example:
        >>> pair("size", 7)
        (7, 7)
    """
    if value is None:
        return None
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2:
        raise LimbeckError(f"{name} is (H, W) or one number for both, not {value!r}.")
    return whole(f"{name}'s height", both[0]), whole(f"{name}'s width", both[1])


def tensor(adapter: str, value: Any, layout: str, dims: tuple[int, ...]) -> Tensor:
    """Return ``value`` when it is a tensor of one of the given numbers of dimensions.

    Args:
        adapter: its name, for the message.
        value: what came from the layer before.
        layout: what is accepted, in words: ``"maps (N, C, H, W)"``.
        dims: the numbers of dimensions that are accepted.

    Raises:
        LimbeckError: a container of tensors, or another number of dimensions.
    """
    if not isinstance(value, Tensor):
        raise LimbeckError(
            f"{adapter} reads {layout}, but the layer gives a {type(value).__name__}: tap one of its "
            "parts, such as LAYER@out.0."
        )
    if value.dim() not in dims:
        raise LimbeckError(
            f"{adapter} reads {layout}, not a tensor of shape {tuple(value.shape)}: tap a layer that gives "
            "that, or put the adapter for its layout before."
        )
    return value


def width(adapter: str, given: int, expected: int, shape: tuple[int, ...]) -> None:
    """Refuse a tensor of another width than the adapter was made for.

    Args:
        adapter: its name, for the message.
        given: channels of the tensor.
        expected: channels it was made for.
        shape: of the tensor.

    Raises:
        LimbeckError: the widths differ.
    """
    if given != expected:
        raise LimbeckError(
            f"{adapter} was made for {expected} channels, but got {given} in a tensor of shape {shape}: "
            f"make it with student_channels={given}."
        )
