"""Checks of losses that were built for layers of given widths."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.losses.base import maps


def built_for(loss: str, whose: str, tensor: Tensor, channels: int, setting: str = "") -> None:
    """Refuse a tensor whose channels are not those the loss was built for.

    Args:
        loss: name of the loss, for the message.
        whose: ``"student"`` or ``"teacher"``.
        tensor: (N, C) or (N, C, H, W).
        channels: C that was given to the constructor.
        setting: what the constructor calls it; ``student_channels`` or ``teacher_channels`` unless told.

    Raises:
        LimbeckError: other channels.

    Example:
        >>> import torch
        >>> built_for("CRD", "student", torch.zeros(4, 8), 8)
    """
    if tensor.dim() < 2 or tensor.shape[1] != channels:
        width = f"={tensor.shape[1]}, that" if tensor.dim() > 1 else ""
        raise LimbeckError(
            f"{loss} was built for {channels} channels of the {whose}, but is given {tuple(tensor.shape)}: make it "
            f"with {setting or whose + '_channels'}{width} of the layer that is tapped."
        )


def map_levels(loss: str, whose: str, tensors: Any, channels: Sequence[int]) -> tuple[Tensor, ...]:
    """Return feature maps, one for each layer, after holding them against what the loss was built for.

    Args:
        loss: name of the loss, for the message.
        whose: ``"student"`` or ``"teacher"``.
        tensors: one (N, C, H, W) for each layer.
        channels: C of each layer, as given to the constructor.

    Raises:
        LimbeckError: no group of tensors, another number of them, no maps, other channels.

    Example:
        >>> import torch
        >>> len(map_levels("ReviewKD", "student", [torch.zeros(1, 2, 4, 4), torch.zeros(1, 3, 2, 2)], (2, 3)))
        2
    """
    if isinstance(tensors, Tensor) or not isinstance(tensors, Sequence) or len(tensors) != len(channels):
        given = "one tensor" if isinstance(tensors, Tensor) else f"{len(tensors)} tensors"
        raise LimbeckError(
            f"{loss} was built for {len(channels)} layers of the {whose}, but is given {given}: name as many layers "
            f"as {whose}_channels has numbers."
        )
    for tensor, width in zip(tensors, channels, strict=True):
        maps(loss, **{whose: tensor})
        built_for(loss, whose, tensor, width)
    return tuple(tensors)
