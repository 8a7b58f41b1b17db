"""Geometric transforms of a batch of images, by name."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from limbeck.errors import LimbeckError, did_you_mean

Transform = Callable[[Any], Any]
"""From what a model reads of a batch to the same of each sample transformed."""

NAMES = ("identity", "flip", "shift-1", "scale-0.9")


def transforms_named(name: str) -> dict[str, Transform]:
    """Return the transforms that ``name`` stands for, each by its own name.

    Args:
        name: ``"identity"``; ``"flip"``, left for right; ``"shift-2"``, four transforms: two pixels right, left, down
            and up; ``"scale-0.9"``, the image at nine tenths of its size about its centre (above 1: enlarged and
            cropped). What comes in from outside continues the border.

    Raises:
        LimbeckError: an unknown name; a shift below 1; a scale not between 0 and 10.

    Example:
        >>> list(transforms_named("shift-2"))
        ['right-2', 'left-2', 'down-2', 'up-2']
    """
    if name == "identity":
        return {name: _unchanged}
    if name == "flip":
        return {name: flipped}
    shift = re.fullmatch(r"shift-([1-9]\d*)", name)
    if shift:
        by = int(shift[1])
        ways = {"right": (by, 0), "left": (-by, 0), "down": (0, by), "up": (0, -by)}
        return {f"{way}-{by}": partial(shifted, right=x, down=y) for way, (x, y) in ways.items()}
    scale = re.fullmatch(r"scale-(\d+(?:\.\d+)?)", name)
    if scale and 0 < float(scale[1]) < 10:
        return {name: partial(scaled, factor=float(scale[1]))}
    raise LimbeckError(
        f"No transform {name!r}: name 'identity', 'flip', 'shift-1' (whole pixels) or 'scale-0.9' (a factor below 10), "
        f"or give a function of the batch.{did_you_mean(name, NAMES)}"
    )


def flipped(images: Tensor) -> Tensor:
    """Return ``images`` (N, C, H, W), left for right.

    Example:
        >>> import torch
        >>> flipped(torch.tensor([[[[1.0, 2.0]]]])).tolist()
        [[[[2.0, 1.0]]]]
    """
    return _images(images, "flip").flip(-1)


def shifted(images: Tensor, right: int = 0, down: int = 0) -> Tensor:
    """Return ``images`` (N, C, H, W) moved by whole pixels; the border continues what comes in.

    Args:
        images: (N, C, H, W).
        right: pixels to the right; negative: to the left.
        down: pixels down; negative: up.

    Example:
        >>> import torch
        >>> shifted(torch.tensor([[[[1.0, 2.0, 3.0]]]]), right=1).tolist()
        [[[[1.0, 1.0, 2.0]]]]
    """
    height, width = _images(images, "shift").shape[-2:]
    if abs(right) >= width or abs(down) >= height:
        raise LimbeckError(
            f"Images of {height}×{width} pixels cannot be shifted by {max(abs(right), abs(down))}."
        )
    wide = F.pad(images, (max(right, 0), max(-right, 0), max(down, 0), max(-down, 0)), mode="replicate")
    top, left = max(-down, 0), max(-right, 0)
    return wide[..., top : top + height, left : left + width]


def scaled(images: Tensor, factor: float) -> Tensor:
    """Return ``images`` (N, C, H, W) shrunk or enlarged about their centre, in a frame of the same size.

    By bilinear interpolation, which is meant for small changes: far below 1 it skips pixels.

    Args:
        images: (N, C, H, W).
        factor: below 1 the border is continued around the smaller image; above 1 the larger is cropped.

    Example:
        >>> import torch
        >>> scaled(torch.tensor([[[[0.0, 1.0, 0.0]]]]), 3.0).tolist()  # enlarged, one pixel fills the frame
        [[[[0.666..., 1.0, 0.666...]]]]
    """
    about_centre = images.new_tensor([[1 / factor, 0, 0], [0, 1 / factor, 0]])
    size = list(_images(images, "scale").shape)
    grid = F.affine_grid(about_centre.expand(len(images), 2, 3), size, align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _unchanged(inputs: Any) -> Any:
    return inputs


def _images(value: Any, name: str) -> Tensor:
    if not isinstance(value, Tensor) or value.dim() != 4:
        found = f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise LimbeckError(
            f"The transform {name!r} reads images (N, C, H, W), not {found}: give a function of the batch instead."
        )
    return value
