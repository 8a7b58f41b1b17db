"""Other heights and widths, and no height and width at all; nothing here has parameters."""

import torch.nn.functional as F
from torch import Tensor, nn

from limbeck.adapters.given import pair, tensor
from limbeck.checks import whole


class Resize(nn.Module):
    """Bring maps to a given size: averaged where they shrink, interpolated where they grow.

    Averaging keeps what every place says, where picking or interpolating single places would pass most of them
    over; growing is bilinear between the centres of the pixels.

    Args:
        size: (H, W), or one number for both.

    Shape:
        (N, C, H, W) -> (N, C, *size).

    Raises:
        LimbeckError: a size that is not whole numbers above zero; not a map.

    Example:
        >>> import torch
        >>> Resize((2, 4))(torch.ones(1, 3, 8, 8)).shape
        torch.Size([1, 3, 2, 4])
    """

    def __init__(self, size: int | tuple[int, int]):
        super().__init__()
        height, width = pair("size", size) or (1, 1)
        self.size = height, width

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps at the size."""
        maps = tensor("Resize", maps, "maps (N, C, H, W)", (4,))
        height, width = maps.shape[2:]
        # One axis may shrink while the other grows: each is treated as it needs.
        maps = _averaged(maps, (min(height, self.size[0]), min(width, self.size[1])))
        if tuple(maps.shape[2:]) == self.size:
            return maps
        return F.interpolate(maps, self.size, mode="bilinear", align_corners=False)

    def extra_repr(self) -> str:
        """Show the size in ``repr``."""
        return f"size={self.size}"


class Pool(nn.Module):
    """Average maps over their places, or tokens over their patches, into one vector for each sample.

    Args:
        prefix: tokens before the patches that are left out, class token and registers.

    Shape:
        (N, C, H, W) -> (N, C); (N, prefix + L, D) -> (N, D); vectors (N, D) stay as they are.

    Raises:
        LimbeckError: settings out of range; neither maps, tokens nor vectors.

    Example:
        >>> import torch
        >>> Pool()(torch.ones(2, 16, 3, 3)).shape
        torch.Size([2, 16])
    """

    def __init__(self, prefix: int = 0):
        super().__init__()
        self.prefix = whole("prefix", prefix, low=0)

    def forward(self, features: Tensor) -> Tensor:
        """Return the vectors."""
        features = tensor(
            "Pool", features, "maps (N, C, H, W), tokens (N, L, D) or vectors (N, D)", (2, 3, 4)
        )
        if features.dim() == 4:
            return features.mean((2, 3))
        return features[:, self.prefix :].mean(1) if features.dim() == 3 else features

    def extra_repr(self) -> str:
        """Show the settings in ``repr``."""
        return f"prefix={self.prefix}" if self.prefix else ""


def _averaged(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return maps if tuple(maps.shape[2:]) == size else F.adaptive_avg_pool2d(maps, size)
