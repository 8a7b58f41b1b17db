"""Which axes of a layer's tensor are channels, places and tokens, judged by its shape and the image's."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from torch import nn

from limbeck.adapters.layouts import ChannelsFirst, TokensToMap
from limbeck.adapters.sizes import Pool

Size = tuple[int, int]
USUAL_PREFIX = 2
"""A class token and a distillation token."""
MOST_PREFIX = 16
"""Tokens that may stand before patches whose grid is known from a map; registers among them."""


@dataclass(frozen=True)
class Form:
    """How a layer's tensor is laid out.

    Args:
        kind: ``"map"`` (N, C, H, W), ``"map, channels last"`` (N, H, W, C), ``"tokens"`` (N, prefix + H·W, C) of
            patches, ``"vector"`` (N, C), or ``"sequence"`` (N, L, C) of no grid.
        channels: C.
        size: (H, W) of maps and patch grids, (L, 1) of a sequence.
        prefix: tokens before the patches.

    Example:
        >>> form = Form("tokens", 192, (14, 14), prefix=1)
        >>> form.shape, form.to_map()
        ((192, 14, 14), TokensToMap(prefix=1))
    """

    kind: Literal["map", "map, channels last", "tokens", "vector", "sequence"]
    channels: int
    size: Size = (1, 1)
    prefix: int = 0

    @property
    def is_map(self) -> bool:
        """Whether it has height and width, in whatever layout."""
        return self.kind in ("map", "map, channels last", "tokens")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape without the batch after :meth:`to_map`: (C, H, W), of a sequence (C, L, 1), of a vector (C,)."""
        return (self.channels,) if self.kind == "vector" else (self.channels, *self.size)

    def to_map(self) -> nn.Module | None:
        """Return what lays it out as (N, C, H, W), or ``None`` where it is so already or is a vector.

        A sequence becomes a map of width 1.
        """
        if self.kind in ("tokens", "sequence"):
            square = self.size[0] == self.size[1]  # then another image size later on does no harm
            return TokensToMap(self.prefix, None if square else self.size)
        return ChannelsFirst() if self.kind == "map, channels last" else None

    def to_vector(self) -> nn.Module | None:
        """Return what averages it into vectors (N, C), or ``None`` where it is one already."""
        if self.kind == "vector":
            return None
        if self.kind == "map, channels last":
            return nn.Sequential(ChannelsFirst(), Pool())
        return Pool(self.prefix)


def form_of(
    shape: tuple[int, ...], image: Size | None, grids: Iterable[Size] = (), prefix: int | None = None
) -> Form | None:
    """Return how a tensor of ``shape`` is laid out, or ``None`` when it is nothing that can be taught.

    Args:
        shape: with the batch.
        image: (H, W) of the image that the network read, or ``None`` where it read none.
        grids: (H, W) of maps that the network made before; patches stand on one of them.
        prefix: tokens before the patches, where the network says so.

    Example:
        >>> form_of((2, 197, 192), (224, 224))
        Form(kind='tokens', channels=192, size=(14, 14), prefix=1)
        >>> form_of((2, 7, 7, 768), (224, 224)).kind
        'map, channels last'
    """
    if 0 in shape:
        return None
    if len(shape) == 2:
        return Form("vector", shape[1])
    if len(shape) == 3:
        found = _grid(shape[1], image, list(grids), prefix)
        return Form("tokens", shape[2], *found) if found else Form("sequence", shape[2], (shape[1], 1))
    if len(shape) != 4:
        return None
    first, last = (shape[2], shape[3]), (shape[1], shape[2])
    if image is not None and _crookedness(last, image) < _crookedness(first, image):
        return Form("map, channels last", shape[3], last)
    return Form("map", shape[1], first)


def level(size: Size, image: Size | None) -> int:
    """Return how many times the image was halved to give a map of ``size``, rounded.

    Example:
        >>> level((35, 35), (299, 299))
        3
    """
    if image is None:
        return 0
    return round(math.log2(image[0] * image[1] / (size[0] * size[1])) / 2)


def _crookedness(size: Size, image: Size) -> float:
    """How much more one axis was reduced than the other, 1 where both were alike."""
    ratio = (image[0] * size[1]) / (image[1] * size[0])
    return max(ratio, 1 / ratio)


def _grid(length: int, image: Size | None, grids: list[Size], prefix: int | None) -> tuple[Size, int] | None:
    """Return the patch grid and the prefix of a sequence, or ``None`` when it is no grid of this image."""
    if image is None:
        return None
    for before in dict.fromkeys([prefix or 0, *range(MOST_PREFIX + 1)]):
        patches = length - before
        for grid in reversed(grids):
            if grid[0] * grid[1] == patches:
                return grid, before
        if before > USUAL_PREFIX and before != prefix:
            continue
        height = round(math.sqrt(patches * image[0] / image[1])) if patches > 0 else 0
        if height and patches % height == 0 and _crookedness((height, patches // height), image) == 1:
            return (height, patches // height), before
    return None
