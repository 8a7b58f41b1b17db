"""Noise in place of samples, for a generator to make a transfer set of."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from limbeck.data.source import digest
from limbeck.errors import LimbeckError


class Noise:
    """Vectors drawn from a standard normal distribution; there are no targets.

    Read through :class:`~limbeck.data.Views`, view v of sample i is a function of (seed, i, v) alone: the same after
    resuming, in any worker and in any process. A part shows each index once an epoch, each time in another view, so no
    vector comes twice.

    Args:
        dimensions: values in a vector.
        count: vectors in an epoch.

    Raises:
        LimbeckError: less than one of either.

    Example:
        >>> from limbeck.data import Views
        >>> from limbeck.data.loader import Part
        >>> noise = Noise(dimensions=100, count=512)
        >>> part = Part(Views(noise, seed=0), torch.arange(len(noise)))
        >>> batch = part.views.read(torch.tensor([3, 3]), torch.tensor([0, 1]))
        >>> batch.inputs.shape, batch.targets
        (torch.Size([2, 100]), None)
    """

    stochastic: ClassVar[bool] = True

    def __init__(self, dimensions: int, count: int):
        for name, value in (("dimensions", dimensions), ("count", count)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise LimbeckError(f"Noise needs {name} of at least 1, in a whole number, not {value!r}.")
        self.dimensions, self.count = dimensions, count
        self.targets: Any = None

    def __len__(self) -> int:
        return self.count

    def read(self, index: int) -> Tensor:
        """Return (dimensions,) float32 by torch's global generator, which the views seed for each sample."""
        return torch.randn(self.dimensions)

    def fingerprint(self) -> str:
        """Return a sha256 of what is drawn."""
        return digest([f"standard normal, {self.count} of {self.dimensions}"])
