"""Several sources behind one another as one, each sample brought to what all of them share."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from limbeck.data.canvas import framed
from limbeck.data.datasets import MOST_LOOKED_AT, looked_at
from limbeck.data.source import Source, digest
from limbeck.data.transforms import LUMA
from limbeck.errors import LimbeckError


class Concatenated:
    """The samples of several sources, numbered through: first those of the first.

    Images come as grey or RGB and as bytes or floats, whichever all are to have; they keep their sizes where
    sources are read one by one, and are on the canvas where all lie in memory and are read many at once.

    Args:
        sources: each with a target for every sample, all of one type.
        shape: (C, H, W) of images on the canvas, or (D,) of features.
        dtype: ``torch.uint8`` or ``torch.float32``, of every sample.

    Raises:
        ValueError: a source whose targets come with its samples.

    Example:
        >>> from limbeck.data import TensorSource
        >>> grey = TensorSource(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]))
        >>> colour = TensorSource(torch.ones(1, 3, 4, 4), torch.tensor([2]))
        >>> both = Concatenated([grey, colour], (3, 8, 8), torch.uint8)
        >>> both.read_many(torch.tensor([2, 0]))[:, 0, 0, 0].tolist(), both.targets.tolist()
        ([255, 0], [0, 1, 2])
    """

    def __init__(self, sources: Sequence[Source], shape: tuple[int, ...], dtype: torch.dtype = torch.uint8):
        self.sources = tuple(sources)
        self.shape, self.dtype = shape, dtype
        if any(getattr(each, "collate_fn", None) or each.targets is None for each in sources):
            raise ValueError("the targets of a source come with its samples")
        self.starts = torch.tensor([0, *(len(each) for each in sources)]).cumsum(0)
        self.targets: Any = torch.cat([each.targets for each in sources])
        self.labelled = _marks(sources)
        self.stochastic = any(getattr(each, "stochastic", False) for each in sources)
        at_once = all(getattr(each, "read_many", None) for each in sources)
        self.read_many = self._gathered if at_once else None

    def __len__(self) -> int:
        return int(self.starts[-1])

    def read(self, index: int) -> Tensor:
        """Return sample ``index``, an image in its own size."""
        number = self._number(torch.tensor([index])).item()
        return self._alike(self.sources[int(number)].read(index - int(self.starts[int(number)])))

    def fingerprint(self) -> str:
        """Return a sha256 of all contents and of what samples are brought to."""
        return digest([f"{self.shape} {self.dtype}", *(each.fingerprint() for each in self.sources)])

    def _number(self, indices: Tensor) -> Tensor:
        """Return which source each of ``indices`` is in."""
        return torch.searchsorted(self.starts, indices, right=True) - 1

    def _gathered(self, indices: Tensor) -> Tensor:
        found = torch.empty(len(indices), *self.shape, dtype=self.dtype)
        numbers = self._number(indices)
        for number, source in enumerate(self.sources):
            places = (numbers == number).nonzero().flatten()
            if len(places):
                samples = source.read_many(indices[places] - self.starts[number])  # type: ignore[attr-defined]
                found[places] = self._alike(framed(samples, self._canvas))
        return found

    @property
    def _canvas(self) -> tuple[int, int] | None:
        return (self.shape[1], self.shape[2]) if len(self.shape) == 3 else None

    def _alike(self, samples: Tensor) -> Tensor:
        """Return one sample or many in the channels and the type that all share."""
        if len(self.shape) == 3:
            samples = _in_channels(samples, self.shape[0])
        if samples.dtype == self.dtype:
            return samples
        if self.dtype == torch.uint8:
            return samples.clamp(0, 1).mul(255).round().to(torch.uint8)
        return samples.float().div(255) if samples.dtype == torch.uint8 else samples.to(self.dtype)


def sample_type(source: Source, name: str) -> tuple[torch.dtype, bool]:
    """Return the type of a source's samples, and whether they are images with values outside 0..1.

    Args:
        source: up to 16 samples of it are read.
        name: what it is called in messages.

    Raises:
        LimbeckError: samples that are not all bytes or all floats.

    Example:
        >>> from limbeck.data import TensorSource
        >>> sample_type(TensorSource(torch.full((2, 1, 8, 8), 2.0), torch.zeros(2)), "mine")
        (torch.float32, True)
    """
    samples = [sample for sample, _ in looked_at(source, MOST_LOOKED_AT)]
    kinds = {each.dtype if isinstance(each, Tensor) else None for each in samples}
    if kinds not in ({torch.uint8}, {torch.float32}):
        raise LimbeckError(
            f"{name} has samples that are neither all bytes nor all floats, so no others can be put beside them: give "
            "tensors of one type."
        )
    floats = kinds == {torch.float32}
    outside = any(each.ndim == 3 and bool(each.min() < 0 or each.max() > 1) for each in samples if floats)
    return (torch.float32 if floats else torch.uint8), outside


def _in_channels(images: Tensor, channels: int) -> Tensor:
    """Return images (…, C, H, W) with as many channels: grey repeated, colour weighed into grey."""
    if images.shape[-3] == channels:
        return images
    if images.shape[-3] == 1:
        return images.repeat_interleave(channels, -3)
    grey = (images.float() * torch.tensor(LUMA).view(3, 1, 1)).sum(-3, keepdim=True)
    return grey.round().to(torch.uint8) if images.dtype == torch.uint8 else grey


def _marks(sources: Sequence[Source]) -> Tensor | None:
    marks = [getattr(each, "labelled", None) for each in sources]
    if all(each is None for each in marks):
        return None
    every = [torch.ones(len(each), dtype=torch.bool) for each in sources]
    return torch.cat([all_of if each is None else each for each, all_of in zip(marks, every, strict=True)])
