"""One size for images of many: the shorter side scaled to the canvas, the middle cut out."""

from torch import Tensor
from torch.nn import functional as F


def framed(images: Tensor, canvas: tuple[int, int] | None) -> Tensor:
    """Return ``images`` scaled until they cover ``canvas`` and cut to it around their middle.

    Args:
        images: (C, H, W) or (N, C, H, W), uint8 or float; anything else is returned as it is.
        canvas: (height, width), or ``None`` to leave images as they are.

    Example:
        >>> import torch
        >>> framed(torch.zeros(3, 20, 40, dtype=torch.uint8), (10, 10)).shape
        torch.Size([3, 10, 10])
    """
    if canvas is None or images.ndim not in (3, 4) or tuple(images.shape[-2:]) == tuple(canvas):
        return images
    height, width = images.shape[-2:]
    scale = max(canvas[0] / height, canvas[1] / width)
    covering = (max(canvas[0], round(height * scale)), max(canvas[1], round(width * scale)))
    batch = images if images.ndim == 4 else images.unsqueeze(0)
    if covering != (height, width):
        batch = F.interpolate(batch, covering, mode="bilinear", antialias=True)
    top, left = (covering[0] - canvas[0]) // 2, (covering[1] - canvas[1]) // 2
    cut = batch[..., top : top + canvas[0], left : left + canvas[1]]
    return cut if images.ndim == 4 else cut.squeeze(0)
