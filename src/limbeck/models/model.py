"""What every door gives back, and what is asked of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from torch import nn

from limbeck.data.transforms import InputTransform, Standardise

Size: TypeAlias = tuple[int, int]
Inputs: TypeAlias = InputTransform | Standardise

GREY_MEAN, GREY_STD = 0.5, 0.5  # maps pixels to -1..1 where nobody has measured better


@dataclass(frozen=True)
class Model:
    """A network together with what it must be fed and how to build it again.

    Args:
        module: the network; logits (N, outputs) or values (N, 1).
        name: the spec that builds it, ``"timm:resnet18"`` or ``"cnn:16-32"``.
        inputs: the transform from raw samples to what the network reads.
        weights: where the weights came from; ``None`` when freshly initialised.
        classes: the class names the weights were trained for, when known.
        outputs: number of classes, or of values in a regression.
        shape: shape of one raw sample, (C, H, W) or (D,).
        options: keyword arguments that build the same network again, whatever the data.
        borrowed: how it answers through its teacher's classifier, where it does (SimKD).

    Example:
        >>> from limbeck.models import open_model
        >>> model = open_model("cnn:4-8", outputs=10, shape=(1, 8, 8))
        >>> model.name, model.inputs.size, model.weights
        ('cnn:4-8', (8, 8), None)
    """

    module: nn.Module
    name: str
    inputs: Inputs
    weights: str | None = None
    classes: tuple[str, ...] | None = None
    outputs: int = 0
    shape: tuple[int, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    borrowed: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Request:
    """What a person wants from a door, besides the name.

    Args:
        outputs: number of classes, or of values in a regression.
        shape: shape of one raw sample, (C, H, W) or (D,).
        pretrained: whether the zoo's trained weights are wanted.
        size: image size (H, W) to feed, or ``None`` to let the door choose.
        role: ``"teacher"``, ``"student"`` or ``"model"``.
    """

    outputs: int
    shape: tuple[int, ...]
    pretrained: bool = False
    size: Size | None = None
    role: str = "model"

    @property
    def is_image(self) -> bool:
        """Whether the samples are images (C, H, W) rather than features (D,)."""
        return len(self.shape) == 3

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return self.shape[0]

    @property
    def native(self) -> Size:
        """Height and width of the images as the data has them."""
        return self.shape[1], self.shape[2]
