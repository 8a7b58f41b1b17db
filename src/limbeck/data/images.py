"""One image file: checked cheaply when data is opened, decoded when it is read."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from limbeck.errors import LimbeckError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
)
"""Endings of the files that count as images; others in a folder are left alone."""

MOST_PIXELS = 64_000_000
"""Larger images are refused before they are decoded: a small file can unpack to all of memory."""

GREY_MODES = frozenset(("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F"))
_LAST_BYTES = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}


def check(path: Path, whole: bool = False) -> tuple[bool, int, int]:
    """Read an image's header, and the image where its file's end gives reason to doubt it.

    Args:
        path: the file.
        whole: decode the image in any case.

    Returns:
        Whether it is grey; its height; its width in pixels.

    Raises:
        LimbeckError: it is no image, is cut short, or has too many pixels; the file is named.
    """
    with _opened(path) as image:
        if whole or not _seems_complete(path, image.format):
            _decode(path, image)
        return image.mode in GREY_MODES, image.height, image.width


def decode(path: Path, grey: bool) -> Tensor:
    """Return the image as uint8 (1, H, W) when ``grey``, else (3, H, W); turned as its camera noted.

    Raises:
        LimbeckError: it cannot be decoded; the file is named.
    """
    from PIL import ImageOps

    with _opened(path) as image:
        _decode(path, image)
        return image_tensor(ImageOps.exif_transpose(image), grey)


def image_tensor(image: "Image", grey: bool) -> Tensor:
    """Return a Pillow image as uint8 (1, H, W) when ``grey``, else (3, H, W).

    Example:
        >>> from PIL import Image
        >>> image_tensor(Image.new("RGB", (4, 2), (255, 0, 0)), grey=False)[:, 0, 0].tolist()
        [255, 0, 0]
    """
    if image.mode.startswith("I"):
        from PIL import Image

        # 16 bits a pixel: Pillow would clip them to 8, not scale
        image = Image.fromarray((np.asarray(image).clip(0, 65535) >> 8).astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    pixels = np.array(image.convert("L" if grey else "RGB"))
    return torch.from_numpy(pixels).view(*pixels.shape[:2], -1).permute(2, 0, 1).contiguous()


def _opened(path: Path) -> "Image":
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # our own limit is stricter than the one Pillow warns about
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path)
    except Image.DecompressionBombError as error:
        raise _too_large(path, "more pixels than") from error
    except Exception as error:  # decoders raise whatever their format breaks
        raise _unreadable(path, error) from error
    if image.height * image.width > MOST_PIXELS:
        image.close()
        raise _too_large(path, f"{image.height:,}×{image.width:,} pixels, above")
    return image


def _decode(path: Path, image: "Image") -> None:
    try:
        image.load()
    except Exception as error:
        raise _unreadable(path, error) from error


def _seems_complete(path: Path, kind: str | None) -> bool:
    """Whether the file ends as its kind must; files cut short in a copy or download do not."""
    last = _LAST_BYTES.get(kind or "")
    if last is None:
        return False
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 64))
        return last in file.read()


def _unreadable(path: Path, error: Exception) -> LimbeckError:
    # Pillow repeats the path in its message
    reason = " ".join(str(error).replace(repr(str(path)), "the file").split()) or type(error).__name__
    return LimbeckError(
        f"{path} cannot be read as an image ({reason.rstrip('.')}): "
        "replace it, remove it, or leave unreadable images out with --skip-bad."
    )


def _too_large(path: Path, size: str) -> LimbeckError:
    return LimbeckError(
        f"{path} has {size} the {MOST_PIXELS:,} allowed: "
        "make it smaller, remove it, or leave such images out with --skip-bad."
    )
