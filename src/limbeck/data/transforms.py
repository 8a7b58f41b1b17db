"""What a model wants to be fed: size, channels and normalisation, as plain data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from limbeck.data.canvas import framed
from limbeck.data.source import Source, digest
from limbeck.errors import LimbeckError

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow and torchvision use


@dataclass(frozen=True)
class InputTransform:
    """From a batch of images to what one model reads: 0..1, its channels, its size, its normalisation.

    Args:
        size: (H, W) the model wants, or ``None`` for images as they come.
        channels: 1 or 3 (grey is repeated, colour is weighed into grey), or what the images have.
        mean: one per channel, subtracted after scaling to 0..1.
        std: one per channel, divided by.

    Raises:
        LimbeckError: mean or std do not have one entry per channel, or a std is not positive.

    Example:
        >>> wanted = InputTransform((16, 16), 3, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
        >>> fed = wanted(torch.full((2, 1, 8, 8), 255, dtype=torch.uint8))
        >>> fed.shape, fed.mean().item()
        (torch.Size([2, 3, 16, 16]), 1.0)
    """

    kind: ClassVar[str] = "image"

    size: tuple[int, int] | None
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        _check_statistics(self.mean, self.std, self.channels, "channels")

    def __call__(self, images: Tensor) -> Tensor:
        """Return ``images``, (N, C, H, W) uint8 or floats in 0..1, as float32 (N, channels, H', W')."""
        if images.ndim != 4:
            raise LimbeckError(
                f"An image batch has four axes (N, C, H, W), but this one has shape {tuple(images.shape)}."
            )
        scaled = images.float().div_(255) if images.dtype == torch.uint8 else images.float()
        scaled = self._resized(self._narrowed(scaled))
        mean, std = (scaled.new_tensor(each).view(-1, 1, 1) for each in (self.mean, self.std))
        # a grey image becomes three channels here, by broadcasting, after the costly resize; two plain steps,
        # not a fused one, so that a sample is rounded alike wherever in a batch it lies
        return (scaled - mean).div_(std)

    def _narrowed(self, images: Tensor) -> Tensor:
        """Return images whose channels broadcast to those wanted."""
        have = images.shape[1]
        if have in (1, self.channels):
            return images
        if self.channels == 1 and have == 3:
            weights = images.new_tensor(LUMA).view(3, 1, 1)
            return (images * weights).sum(1, keepdim=True)
        raise LimbeckError(
            f"The model reads images of {self.channels} channels, but these have {have}; "
            "only grey and RGB are converted into each other."
        )

    def _resized(self, images: Tensor) -> Tensor:
        if self.size is None or tuple(images.shape[-2:]) == tuple(self.size):
            return images
        return F.interpolate(images, self.size, mode="bilinear", antialias=True)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that :func:`transform_from_dict` reads back."""
        return {"kind": self.kind, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "InputTransform":
        """Return the transform that :meth:`to_dict` described."""
        size = values["size"]
        return cls(
            None if size is None else (int(size[0]), int(size[1])),
            int(values["channels"]),
            tuple(float(each) for each in values["mean"]),
            tuple(float(each) for each in values["std"]),
        )

    def fingerprint(self) -> str:
        """Return a sha256 (hex) of the settings."""
        return digest([self.kind, repr(self.to_dict())])

    def describe(self) -> str:
        """Return one line for people: ``32×32 RGB, mean 0.5 0.5 0.5, std 0.5 0.5 0.5``."""
        size = "any size" if self.size is None else f"{self.size[0]}×{self.size[1]}"
        colours = {1: "grey", 3: "RGB"}.get(self.channels, f"{self.channels} channels")
        return f"{size} {colours}, mean {_short(self.mean)}, std {_short(self.std)}"


@dataclass(frozen=True)
class Standardise:
    """From features to what one model reads: each column less its mean, over its standard deviation.

    Args:
        mean: (D,) one per feature.
        std: (D,) one per feature.

    Raises:
        LimbeckError: mean and std differ in length, or a std is not positive.

    Example:
        >>> Standardise((1.0, 2.0), (1.0, 2.0))(torch.tensor([[2.0, 4.0]]))
        tensor([[1., 1.]])
    """

    kind: ClassVar[str] = "features"

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        _check_statistics(self.mean, self.std, len(self.mean), "features")

    def __call__(self, features: Tensor) -> Tensor:
        """Return ``features`` (N, D) standardised, float32."""
        if features.shape[-1] != len(self.mean):
            raise LimbeckError(
                f"The model reads {len(self.mean)} features, but the data has {features.shape[-1]}."
            )
        mean, std = (torch.tensor(each, device=features.device) for each in (self.mean, self.std))
        return (features.float() - mean).div_(std)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that :func:`transform_from_dict` reads back."""
        return {"kind": self.kind, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Standardise":
        """Return the transform that :meth:`to_dict` described."""
        return cls(
            tuple(float(each) for each in values["mean"]), tuple(float(each) for each in values["std"])
        )

    def fingerprint(self) -> str:
        """Return a sha256 (hex) of the settings."""
        return digest([self.kind, repr(self.to_dict())])

    def describe(self) -> str:
        """Return one line for people."""
        return f"{len(self.mean)} features, each standardised"


def transform_from_dict(values: Mapping[str, Any]) -> InputTransform | Standardise:
    """Return the transform that a ``to_dict`` described.

    Args:
        values: as ``to_dict`` returned them, perhaps by way of JSON.

    Raises:
        LimbeckError: the kind is unknown or a value is missing or of the wrong type.

    Example:
        >>> wanted = InputTransform(None, 1, (0.5,), (0.25,))
        >>> transform_from_dict(wanted.to_dict()) == wanted
        True
    """
    kinds: dict[str, type[InputTransform] | type[Standardise]] = {
        each.kind: each for each in (InputTransform, Standardise)
    }
    try:
        return kinds[values["kind"]].from_dict(values)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise LimbeckError(
            f"An input transform must be one of the kinds {', '.join(kinds)} with its settings complete, "
            f"but this one reads {dict(values)}."
        ) from error


def fit(
    source: Source,
    indices: Tensor,
    shape: tuple[int, ...],
    size: tuple[int, int] | None = None,
    most: int = 2000,
) -> InputTransform | Standardise:
    """Return the transform that standardises training samples: mean and std per channel or feature.

    Args:
        source: the samples.
        indices: (N,) those of the training part; of images at most ``most`` are read, evenly spaced.
        shape: (C, H, W) canvas of images or (D,) features, as in :class:`~limbeck.data.Data`.
        size: (H, W) the model wants; the canvas when not given.
        most: how many images to read.

    Example:
        >>> from limbeck.data import TensorSource
        >>> source = TensorSource(torch.tensor([[0.0], [2.0]]), torch.zeros(2))
        >>> fit(source, torch.arange(2), (1,))
        Standardise(mean=(1.0,), std=(1.0,))
    """
    is_image = len(shape) == 3
    own = getattr(source, "statistics", None)
    if own is not None:  # of a source that knows them without making every sample
        mean, std = own(indices)
        return Standardise(_rounded(mean), _rounded(torch.where(std > 1e-12, std, 1.0)))
    if is_image and len(indices) > most:
        indices = indices[torch.linspace(0, len(indices) - 1, most).round().long()]
    samples = _gather(source, indices, (shape[1], shape[2]) if is_image else None).double()
    if not is_image:
        std, mean = torch.std_mean(samples, 0, correction=0)
        return Standardise(_rounded(mean), _rounded(torch.where(std > 1e-12, std, 1.0)))
    std, mean = torch.std_mean(samples, (0, 2, 3), correction=0)
    std = torch.where(std > 1e-12, std, 1.0)
    return InputTransform(size or (shape[1], shape[2]), shape[0], _rounded(mean), _rounded(std))


def _gather(source: Source, indices: Tensor, canvas: tuple[int, int] | None) -> Tensor:
    read_many = getattr(source, "read_many", None)
    samples: Tensor
    if read_many is not None:
        samples = framed(read_many(indices), canvas)
    else:
        samples = torch.stack([framed(source.read(index), canvas) for index in indices.tolist()])
    return samples.float().div_(255) if samples.dtype == torch.uint8 else samples


def _rounded(values: Tensor) -> tuple[float, ...]:
    # six digits: the sum's last bits differ between machines, and these numbers enter fingerprints
    return tuple(float(f"{each:.6g}") for each in values.tolist())


def _check_statistics(mean: tuple[float, ...], std: tuple[float, ...], count: int, of: str) -> None:
    if len(mean) != count or len(std) != count:
        raise LimbeckError(
            f"An input transform for {count} {of} needs {count} means and {count} stds, "
            f"but got {len(mean)} and {len(std)}."
        )
    if any(not each > 0 for each in std):
        raise LimbeckError(f"Every std of an input transform must be above 0, but they are {_short(std)}.")


def _short(values: tuple[float, ...]) -> str:
    return " ".join(f"{each:.4g}" for each in values)
