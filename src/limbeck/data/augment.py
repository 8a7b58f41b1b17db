"""Standard augmentations by name; what one draws depends on its seed alone."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from limbeck.data.canvas import framed
from limbeck.data.source import Data
from limbeck.errors import LimbeckError, did_you_mean

AUGMENTATIONS = ("none", "shift", "crop-flip", "resized-crop-flip", "affine", "randaugment", "trivial")
"""The names that :func:`augmentation` knows."""


@dataclass(frozen=True)
class Shift:
    """Move each image by up to ``padding`` pixels each way, black coming in, and perhaps mirror it.

    The same distribution as torchvision's ``RandomCrop(size, padding)`` and ``RandomHorizontalFlip``, but
    drawn for a whole batch at once from one number per image.

    Args:
        padding: largest move in pixels.
        flip: whether half of the images are mirrored left to right.

    Example:
        >>> moved = Shift(padding=1).batched(torch.ones(1, 1, 4, 4), np.array([0], dtype=np.uint64))
        >>> moved[0, 0, 0].tolist()    # the lowest seed moves one pixel down and right
        [0.0, 0.0, 0.0, 0.0]
    """

    padding: int
    flip: bool = False

    def batched(self, images: Tensor, seeds: NDArray[np.uint64]) -> Tensor:
        """Return ``images`` (N, C, H, W), each moved as its seed (N,) says."""
        height, width = images.shape[-2:]
        span = np.uint64(2 * self.padding + 1)
        top = torch.from_numpy(((seeds & np.uint64(0xFFFFFFFF)) % span).astype(np.int64))
        left = torch.from_numpy((((seeds >> np.uint64(32)) & np.uint64(0x7FFFFFFF)) % span).astype(np.int64))
        columns = torch.arange(width).expand(len(images), width)
        if self.flip:
            mirrored = torch.from_numpy((seeds >> np.uint64(63)).astype(np.bool_))
            columns = torch.where(mirrored[:, None], columns.flip(1), columns)
        padded = F.pad(images, (self.padding,) * 4)
        # one flat gather: position = row · padded width + column
        rows = (torch.arange(height) + top[:, None]) * padded.shape[-1]
        places = (rows[:, :, None] + (columns + left[:, None])[:, None, :]).flatten(1)
        flat = padded.flatten(2)
        moved = flat.gather(2, places[:, None].expand(-1, flat.shape[1], -1))
        return moved.view(images.shape)


@dataclass(frozen=True)
class Standard:
    """An augmentation put together from torchvision's v2 transforms; it draws from torch's generator.

    Args:
        name: one of :data:`AUGMENTATIONS`.
        canvas: (height, width) of what it returns, or ``None`` for the size of what it is given.

    Example:
        >>> Standard("resized-crop-flip", (8, 8))(torch.zeros(3, 20, 30, dtype=torch.uint8)).shape
        torch.Size([3, 8, 8])
    """

    name: str
    canvas: tuple[int, int] | None

    def __call__(self, image: Tensor) -> Tensor:
        """Return one draw of ``image`` (C, H, W)."""
        # a crop that resizes chooses its window in the whole image; the others start from the canvas
        whole = self.name == "resized-crop-flip"
        drawn: Tensor = self._transform(image if whole else framed(image, self.canvas))
        return drawn

    @cached_property
    def _transform(self) -> Any:
        from torchvision.transforms import v2

        if self.name == "resized-crop-flip":
            crop = v2.RandomResizedCrop(self.canvas, scale=(0.25, 1.0), antialias=True)
            return v2.Compose([crop, v2.RandomHorizontalFlip()])
        if self.name == "affine":
            bilinear = v2.InterpolationMode.BILINEAR
            return v2.RandomAffine(10, translate=(0.1, 0.1), scale=(0.9, 1.1), interpolation=bilinear)
        if self.name == "randaugment":
            return v2.RandAugment()
        return v2.TrivialAugmentWide()


def augmentation(name: str, canvas: tuple[int, int] | None = None) -> Shift | Standard | None:
    """Return the augmentation of that name, or ``None`` for ``none``.

    Args:
        name: ``none``; ``shift``, by up to an eighth of the shorter side; ``crop-flip``, the same and mirrored;
            either also with the pixels said, as in ``shift-2``; ``resized-crop-flip``, a window of 25–100 % of
            the area; ``affine``, ±10°, ±10 % moved and scaled; ``randaugment``; ``trivial`` (TrivialAugment).
        canvas: (height, width) of the images.

    Raises:
        LimbeckError: the name is unknown, or it needs images and the data has none.

    Example:
        >>> augmentation("shift", (32, 32))
        Shift(padding=4, flip=False)
        >>> augmentation("shift-2", (32, 32))
        Shift(padding=2, flip=False)
        >>> augmentation("none") is None
        True
    """
    kind, _, pixels = name.rpartition("-")
    if kind in ("shift", "crop-flip") and pixels.isdecimal() and int(pixels) > 0 and canvas is not None:
        return Shift(int(pixels), flip=kind == "crop-flip")
    if name not in AUGMENTATIONS:
        hint = did_you_mean(name, AUGMENTATIONS)
        raise LimbeckError(
            f"No augmentation {name!r}; choose from {', '.join(map(repr, AUGMENTATIONS))}.{hint}"
        )
    if name == "none":
        return None
    if canvas is None:
        raise LimbeckError(f"Augmentation {name!r} is for images; use 'none' for other data.")
    if name in ("shift", "crop-flip"):
        return Shift(max(1, min(canvas) // 8), flip=name == "crop-flip")
    return Standard(name, (canvas[0], canvas[1]))


def default_augmentation(data: Data) -> str:
    """Return the name of the augmentation that suits ``data`` when the person names none.

    ``shift`` for small images in memory, ``resized-crop-flip`` for folders, ``none`` for features and for
    data sets from Python, which bring their own.

    Example:
        >>> from limbeck.data import open_data
        >>> default_augmentation(open_data("digits"))
        'shift'
    """
    usual = {"digits": "shift", "idx": "shift", "folder": "resized-crop-flip"}
    doors = [each.partition(":")[0].partition("@")[0] for each in data.name.split(" + ")]
    found = {usual.get(each, "none") for each in doors}
    # of doors that differ, joined: what small and large images both bear
    return found.pop() if len(found) == 1 else "shift" if data.is_image and "none" not in found else "none"
