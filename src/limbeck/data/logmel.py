"""From sound to log-mel vectors, and from those to the windows that a network reads."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

FLOOR = 1e-6
"""Added before the logarithm: digital silence is -13.8, not minus infinity."""


@dataclass(frozen=True)
class LogMel:
    r"""Log-mel vectors of a recording, one every ``hop`` milliseconds.

    Definition:
        Frame t begins at sample t · round(hop · rate / 1000) and holds round(window · rate / 1000) samples, which
        are multiplied by a periodic Hann window and padded with zeros to n, a power of two. Its power spectrum
        |DFT|² (not divided by n) is weighed by ``mels`` triangles, whose corners lie evenly between 20 Hz and rate / 2
        on the mel scale m(f) = 2595 log10(1 + f / 700) and whose sides are straight on that scale. The vector is
        log(weighed power + 1e-6). n is the smallest power of two that holds a window and gives each triangle a
        frequency of its own. A recording is not padded at its ends, so a short rest of it is not seen.

    Args:
        rate: samples a second.
        mels: values in a vector.
        window: milliseconds that a vector looks at.
        hop: milliseconds from one vector to the next.

    Example:
        >>> mel = LogMel(rate=8000)
        >>> mel(torch.zeros(8000)).shape, mel.frames(8000)
        (torch.Size([98, 40]), 98)
    """

    rate: int
    mels: int = 40
    window: float = 25.0
    hop: float = 10.0

    def __call__(self, sound: Tensor) -> Tensor:
        """Return the vectors (T, mels) of ``sound`` (n,), float32 from -1 to 1."""
        cut = self._taper.numel()
        if len(sound) < cut:
            return sound.new_zeros(0, self.mels)
        frames = sound.unfold(0, cut, self._step) * self._taper
        power = torch.fft.rfft(frames, self._bins).abs().square()
        vectors: Tensor = (power @ self._triangles + FLOOR).log()
        return vectors

    def frames(self, samples: int) -> int:
        """Return how many vectors a recording of ``samples`` gives."""
        return max(0, 1 + (samples - self._taper.numel()) // self._step)

    @property
    def _step(self) -> int:
        return max(1, round(self.hop * self.rate / 1000))

    @cached_property
    def _taper(self) -> Tensor:
        return torch.hann_window(max(1, round(self.window * self.rate / 1000)))

    @cached_property
    def _triangles(self) -> Tensor:
        """Return the weights (n / 2 + 1, mels); frequencies too coarse for the lowest triangles are refined."""
        bins = 2 ** math.ceil(math.log2(self._taper.numel()))
        while not (weights := self._weights(bins)).any(0).all():
            bins *= 2
        return weights

    @property
    def _bins(self) -> int:
        return 2 * (len(self._triangles) - 1)

    def _weights(self, bins: int) -> Tensor:
        frequencies = torch.linspace(0, self.rate / 2, bins // 2 + 1, dtype=torch.float64)
        low, high = _mel(torch.tensor([20.0, self.rate / 2], dtype=torch.float64)).tolist()
        corners = torch.linspace(low, high, self.mels + 2, dtype=torch.float64)
        width = (high - low) / (self.mels + 1)
        distance = (_mel(frequencies)[:, None] - corners[1:-1]).abs() / width
        weights: Tensor = (1 - distance).clamp(min=0)
        return weights.float()


def _mel(frequency: Tensor) -> Tensor:
    return 2595 * torch.log10(1 + frequency / 700)


def windows(vectors: Tensor, at: Tensor, first: Tensor, last: Tensor, context: int) -> Tensor:
    """Return what a network reads at some frames: the vector, and ``context`` before and after it, as one row.

    Beyond a recording's ends its first or last vector is repeated.

    Args:
        vectors: (F, M), of one recording or of many behind one another.
        at: (N,) int64, the frames.
        first: (N,) or a number, the first frame of the recording each lies in; ``last`` likewise.
        last: (N,), the last frame of the recording, itself included.
        context: frames on either side.

    Returns:
        (N, (2 · context + 1) · M), the earliest vector first.

    Example:
        >>> one = torch.arange(3.0)[:, None]
        >>> windows(one, torch.tensor([0, 2]), torch.tensor([0, 0]), torch.tensor([2, 2]), context=1).tolist()
        [[0.0, 0.0, 1.0], [1.0, 2.0, 2.0]]
    """
    places = at[:, None] + torch.arange(-context, context + 1)
    return vectors[torch.clamp(places, first[:, None], last[:, None])].flatten(1)
