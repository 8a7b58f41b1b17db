"""A generator of small images, which makes the transfer set where there is none (DAFL, Chen et al. 2019)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from limbeck.checks import between, positive, whole
from limbeck.errors import LimbeckError


class Generator(nn.Module):
    """From noise to images: a linear layer to a quarter of the size, then twice the double of it by convolutions.

    Chen et al., "Data-Free Learning of Student Networks", ICCV 2019, arXiv 1904.01186, whose public code has this net
    for images of 32 pixels (after DCGAN, with resizing in place of transposed convolutions). It ends in tanh and in a
    BatchNorm without weights, so that every batch of images has the mean and spread of standardised data.

    Differs from the paper:
        Any height and width, odd ones too. BatchNorm keeps its usual eps of 1e-5: the public code's 0.8 stands where
        PyTorch takes eps, and only damps the layers. The images may be put on another scale by ``mean`` and ``std``.

    Args:
        noise: D, how many numbers an image is made of.
        shape: (C, H, W) of an image, as the teacher reads it.
        width: channels of the hidden maps; the last of them has half of it.
        mean: of the images, on the scale that the teacher reads; one number, or one for each channel.
        std: likewise their standard deviation, above 0.

    Raises:
        LimbeckError: a size below 1; not three sizes; a mean or std that is not finite or not one for each channel.

    Example:
        >>> net = Generator(8, (1, 7, 5), width=4)
        >>> net(torch.randn(3, 8)).shape
        torch.Size([3, 1, 7, 5])
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        noise: int,
        shape: Sequence[int],
        width: int = 128,
        mean: float | Sequence[float] = 0.0,
        std: float | Sequence[float] = 1.0,
    ):
        super().__init__()
        self.noise = whole("noise", noise)
        self.shape = _image(shape)
        channels, height, width_of_image = self.shape
        half = max(1, whole("width", width) // 2)
        self.sizes = tuple((-(-height // part), -(-width_of_image // part)) for part in (4, 2, 1))
        self.register_buffer("mean", _by_channel("mean", mean, channels))
        self.register_buffer("std", _by_channel("std", std, channels))
        self.project = nn.Linear(noise, width * self.sizes[0][0] * self.sizes[0][1])
        self.start = nn.BatchNorm2d(width)
        self.middle = _convolved(width, width)
        self.end = _convolved(width, half)
        self.paint = nn.Conv2d(half, channels, 3, padding=1)
        self.scale = nn.BatchNorm2d(channels, affine=False)

    def forward(self, noise: Tensor) -> Tensor:
        """Return images (N, C, H, W) for noise (N, D)."""
        quarter, half, whole_size = self.sizes
        maps = self.start(self.project(noise).unflatten(1, (-1, *quarter)))
        maps = self.middle(F.interpolate(maps, size=half))
        maps = self.end(F.interpolate(maps, size=whole_size))
        images: Tensor = self.scale(torch.tanh(self.paint(maps)))
        return images * self.std + self.mean


def _convolved(before: int, after: int) -> nn.Sequential:
    convolution = nn.Conv2d(before, after, 3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.LeakyReLU(0.2))


def _image(shape: Sequence[int]) -> tuple[int, int, int]:
    if not isinstance(shape, Sequence) or len(shape) != 3:
        raise LimbeckError(
            f"A generator makes images of (channels, height, width), not of {shape!r}: for tables of features give "
            "DataFree a network of your own, from noise (N, D) to what the teacher reads."
        )
    channels, height, width = (whole("each size of an image", each) for each in shape)
    return channels, height, width


def _by_channel(name: str, value: float | Sequence[float], channels: int) -> Tensor:
    """Return one number for each channel, to be broadcast over images."""
    given = list(value) if isinstance(value, Sequence) else [value] * channels
    if len(given) != channels:
        raise LimbeckError(
            f"{name} is one number or one for each of {channels} channels, not {len(given)} of them."
        )
    infinity = float("inf")
    checked = [
        positive(name, each) if name == "std" else between(name, each, -infinity, infinity) for each in given
    ]
    return torch.tensor(checked).view(-1, 1, 1)
