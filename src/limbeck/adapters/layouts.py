"""Between tokens, maps with channels last, and maps (N, C, H, W); nothing here has parameters."""

import math

from torch import Tensor, nn

from limbeck.adapters.given import pair, tensor
from limbeck.checks import whole
from limbeck.errors import LimbeckError


class TokensToMap(nn.Module):
    """Lay patch tokens (N, prefix + H·W, D) out as a map (N, D, H, W), without the class token.

    Args:
        prefix: tokens that stand before the patches and belong to no place: 1 for a class token, 2 with DeiT's
            distillation token, 0 for a network without either.
        size: (H, W) of the patch grid, where it is not square.

    Shape:
        (N, prefix + H·W, D) -> (N, D, H, W).

    Raises:
        LimbeckError: settings out of range; not tokens; a number of patches that makes no such grid.

    Example:
        >>> import torch
        >>> TokensToMap(prefix=1)(torch.zeros(2, 1 + 9, 16)).shape
        torch.Size([2, 16, 3, 3])
    """

    def __init__(self, prefix: int = 1, size: int | tuple[int, int] | None = None):
        super().__init__()
        self.prefix = whole("prefix", prefix, low=0)
        self.size = pair("size", size)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the map."""
        tokens = tensor("TokensToMap", tokens, "tokens (N, L, D)", (3,))
        patches = tokens.shape[1] - self.prefix
        side = math.isqrt(max(patches, 0))
        height, width = self.size or (side, side)
        if patches < 1 or height * width != patches:
            grid = f"{height}×{width} patches" if self.size else "a square of patches"
            raise LimbeckError(
                f"{tokens.shape[1]} tokens are no {grid} after a prefix of {self.prefix}: set prefix to the "
                "number of class and register tokens, and size to (H, W) of the patch grid."
            )
        return tokens[:, self.prefix :].transpose(1, 2).reshape(tokens.shape[0], -1, height, width)

    def extra_repr(self) -> str:
        """Show the settings in ``repr``."""
        return f"prefix={self.prefix}" + (f", size={self.size}" if self.size else "")


class MapToTokens(nn.Module):
    """Read a map (N, C, H, W) as tokens (N, H·W, C), row by row.

    Shape:
        (N, C, H, W) -> (N, H·W, C).

    Raises:
        LimbeckError: not a map.

    Example:
        >>> import torch
        >>> MapToTokens()(torch.zeros(2, 16, 3, 3)).shape
        torch.Size([2, 9, 16])
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Return the tokens."""
        return tensor("MapToTokens", maps, "maps (N, C, H, W)", (4,)).flatten(2).transpose(1, 2)


class ChannelsFirst(nn.Module):
    """Bring maps with channels last (N, H, W, C), as Swin and its kin give them, to (N, C, H, W).

    Shape:
        (N, H, W, C) -> (N, C, H, W).

    Raises:
        LimbeckError: not a map.

    Example:
        >>> import torch
        >>> ChannelsFirst()(torch.zeros(2, 7, 7, 96)).shape
        torch.Size([2, 96, 7, 7])
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Return the map with its channels second."""
        return tensor("ChannelsFirst", maps, "maps (N, H, W, C)", (4,)).permute(0, 3, 1, 2)
