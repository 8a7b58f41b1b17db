"""Learnable bridges from the student's width to the teacher's."""

from torch import Tensor, nn

from limbeck.adapters.given import pair, tensor, width
from limbeck.adapters.sizes import Resize
from limbeck.checks import whole
from limbeck.errors import LimbeckError


class Linear(nn.Module):
    """Project vectors, or each token by itself, from the student's width to the teacher's.

    Args:
        student_channels: width that comes in.
        teacher_channels: width that goes out.

    Shape:
        (N, student_channels) -> (N, teacher_channels), or (N, L, student_channels) -> (N, L, teacher_channels).

    Raises:
        LimbeckError: settings out of range; another width; neither vectors nor tokens.

    Example:
        >>> import torch
        >>> Linear(64, 128)(torch.zeros(2, 64)).shape
        torch.Size([2, 128])
    """

    def __init__(self, student_channels: int, teacher_channels: int):
        super().__init__()
        self.student_channels = whole("student_channels", student_channels)
        self.teacher_channels = whole("teacher_channels", teacher_channels)
        self.project = nn.Linear(student_channels, teacher_channels)

    def forward(self, features: Tensor) -> Tensor:
        """Return the features in the teacher's width."""
        features = tensor("Linear", features, "vectors (N, D) or tokens (N, L, D)", (2, 3))
        width("Linear", features.shape[-1], self.student_channels, tuple(features.shape))
        projected: Tensor = self.project(features)
        return projected


class Conv(nn.Module):
    """Project maps from the student's width to the teacher's: convolution 1×1, then BatchNorm; resized if asked.

    A 1×1 convolution bridges widths and leaves to the student where things are; BatchNorm brings the student's
    map to a scale that it learns, so that a teacher of another scale does not set the learning rate.

    Args:
        student_channels: channels that come in.
        teacher_channels: channels that go out.
        size: (H, W) of the teacher's map, or one number for both; as they come unless told.
        norm: whether BatchNorm follows the convolution, which has a bias where it does not.

    Shape:
        (N, student_channels, H, W) -> (N, teacher_channels, *size).

    Raises:
        LimbeckError: settings out of range; another width; not a map; one single value for each channel in
            training, from which BatchNorm can tell no spread.

    Example:
        >>> import torch
        >>> Conv(16, 32, size=4)(torch.zeros(2, 16, 8, 8)).shape
        torch.Size([2, 32, 4, 4])
    """

    def __init__(
        self,
        student_channels: int,
        teacher_channels: int,
        size: int | tuple[int, int] | None = None,
        norm: bool = True,
    ):
        super().__init__()
        self.student_channels = whole("student_channels", student_channels)
        self.teacher_channels = whole("teacher_channels", teacher_channels)
        self.size = pair("size", size)
        self.project = nn.Conv2d(student_channels, teacher_channels, 1, bias=not norm)
        self.norm = nn.BatchNorm2d(teacher_channels) if norm else None

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps in the teacher's width and size."""
        maps = tensor("Conv", maps, "maps (N, C, H, W)", (4,))
        width("Conv", maps.shape[1], self.student_channels, tuple(maps.shape))
        size = self.size or (maps.shape[2], maps.shape[3])
        # Shrink before and grow after the convolution, which then meets as few places as can be.
        fewest = (min(maps.shape[2], size[0]), min(maps.shape[3], size[1]))
        projected: Tensor = self.project(Resize(fewest)(maps))
        projected = Resize(size)(projected)
        return projected if self.norm is None else self._normed(projected)

    def _normed(self, maps: Tensor) -> Tensor:
        assert self.norm is not None
        if self.training and maps.numel() == maps.shape[1]:
            raise LimbeckError(
                "Conv cannot normalise one sample of a 1×1 map: give batches of at least 2, or norm=False."
            )
        normed: Tensor = self.norm(maps)
        return normed

    def extra_repr(self) -> str:
        """Show the size in ``repr``."""
        return f"size={self.size}" if self.size else ""
