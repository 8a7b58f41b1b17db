"""Find the cheapest image size that a network of someone else's accepts.

Networks are tried on the meta device, where no weights are allocated and no arithmetic is done; the random
numbers of the caller are left as they were.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from limbeck.errors import LimbeckError
from limbeck.models.model import Size

LEAST = 32  # pixels; common networks halve the map five times
LEAST_PATCHES = 4  # a transformer with fewer patches a side has nothing to attend to

Build = Callable[..., nn.Module]


def trial(build: Build, options: dict[str, Any], channels: int, size: Size, outputs: int) -> str | None:
    """Return why the network does not take one image of this size, or ``None`` when it does.

    Args:
        build: makes the network from keyword arguments.
        options: the keyword arguments.
        channels: channels of the image.
        size: (H, W) of the image.
        outputs: width of the output that is expected.
    """
    try:
        result = _answer(build, options, channels, size)
    except Exception as error:  # other people's networks refuse a size with any error there is
        return first_line(error)
    shape = tuple(result.shape) if isinstance(result, torch.Tensor) else type(result).__name__
    return None if shape == (1, outputs) else f"it returns {shape} instead of (1, {outputs})"


def _answer(build: Build, options: dict[str, Any], channels: int, size: Size) -> Any:
    try:
        with torch.device("meta"), torch.no_grad():
            return build(**options).eval()(torch.zeros(1, channels, *size))
    except (NotImplementedError, RuntimeError) as error:
        if "meta tensor" not in str(error):
            raise
    with torch.random.fork_rng(), torch.no_grad():  # some networks read their own numbers while being built
        return build(**options).eval()(torch.zeros(1, channels, *size))


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, or its type when it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def fitting(
    name: str, build: Build, keyword: str, sizes: Iterable[Size], *, channels: int, outputs: int
) -> tuple[Size, dict[str, Any]]:
    """Return the first size that works and the options that make it work.

    Args:
        name: the spec, for the error.
        build: makes the network from keyword arguments.
        keyword: the network's name for its image size; passed where the network knows it.
        sizes: candidates, cheapest first.
        channels: channels of the images.
        outputs: classes or values.

    Raises:
        LimbeckError: no candidate works; the reason for the first is told.

    Example:
        >>> def build(side=8): return nn.Sequential(nn.Flatten(), nn.Linear(side * side, 3))
        >>> fitting("mine", lambda side=(8, 8): build(*side[:1]), "side", [(4, 4)], channels=1, outputs=3)
        ((4, 4), {'side': (4, 4)})
    """
    tried: list[Size] = []
    first: str | None = None
    for size in sizes:
        tried.append(size)
        for options in ({}, {keyword: size}):
            reason = trial(build, options, channels, size, outputs)
            if reason is None:
                return size, options
            if f"'{keyword}'" not in reason:
                first = first or reason
    texts = ", ".join(f"{height}×{width}" for height, width in tried)
    raise LimbeckError(f"{name} does not take images of {texts} pixels ({first}): ask for another size.")


def candidates(native: Size, patch: Size | None, own: Size) -> list[Size]:
    """Return the sizes worth trying for images of ``native`` size, cheapest first.

    Args:
        native: (H, W) of the data.
        patch: (H, W) of a patch, for networks that cut the image into patches.
        own: (H, W) the network was designed for, the last resort.

    Example:
        >>> candidates((28, 28), (16, 16), (224, 224))
        [(64, 64), (128, 128), (224, 224)]
        >>> candidates((40, 40), None, (224, 224))
        [(40, 40), (64, 64), (128, 128), (224, 224)]
    """
    scale = max(1.0, LEAST / min(native))
    start = (round(native[0] * scale), round(native[1] * scale))
    if patch:
        start = whole_patches(start, patch)
    even = _up(start, (LEAST, LEAST))
    if patch:
        even = whole_patches(even, patch)
    sizes = [start, even, (2 * even[0], 2 * even[1])]
    largest = max(*own, *start)
    return list(dict.fromkeys([*(size for size in sizes if max(size) <= largest), own]))


def whole_patches(size: Size, patch: Size) -> Size:
    """Return the smallest size of whole patches, at least four a side, that covers ``size``."""
    least = (max(size[0], LEAST_PATCHES * patch[0]), max(size[1], LEAST_PATCHES * patch[1]))
    return _up(least, patch)


def patch_size(build: Build) -> Size | None:
    """Return the (H, W) of the patches the network cuts images into, or ``None`` when it does not."""
    try:
        with torch.device("meta"):
            module = build()
    except Exception:  # a network that cannot even be built is refused later, with its reason
        return None
    places = (module, getattr(module, "patch_embed", None), getattr(module, "stem", None))
    patch = next((found for each in places if (found := getattr(each, "patch_size", None))), None)
    if isinstance(patch, int):
        return patch, patch
    if isinstance(patch, tuple | list) and len(patch) == 2:
        return int(patch[0]), int(patch[1])
    return None


def _up(size: Size, unit: Size) -> Size:
    return math.ceil(size[0] / unit[0]) * unit[0], math.ceil(size[1] / unit[1]) * unit[1]
