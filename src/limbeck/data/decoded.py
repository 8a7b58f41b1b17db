"""Samples of one batch that are read once, however often they are asked for."""

from collections import Counter
from typing import Any

from torch import Tensor

from limbeck.data.source import Source


class Decoded:
    """Samples of a source read once each and handed out as copies: files are not decoded again.

    A sample is forgotten with its last copy, so that a batch of large images need not fit into memory at once.

    Args:
        source: whose samples do not change from one read to the next.
        index: (N,) int64, the samples that will be asked for, as often as they stand there.
        times: how often all of that, once for each role, say.

    Example:
        >>> import torch
        >>> from limbeck.data import TensorSource
        >>> batch = Decoded(TensorSource(torch.zeros(2, 3), torch.zeros(2)), torch.tensor([1, 1]))
        >>> batch.read(1).add_(1), batch.read(1)    # a copy each time
        (tensor([1., 1., 1.]), tensor([0., 0., 0.]))
    """

    def __init__(self, source: Source, index: Tensor, times: int = 1):
        self._source = source
        self._left = Counter(index.tolist() * times)
        self._read: dict[int, Tensor] = {}
        self.targets: Any = source.targets

    def __len__(self) -> int:
        return len(self._source)

    def read(self, index: int) -> Tensor:
        """Return sample ``index``."""
        sample = self._read[index] if index in self._read else self._source.read(index)
        self._left[index] -= 1
        if self._left[index] <= 0:
            self._read.pop(index, None)
            return sample
        self._read[index] = sample
        return sample.clone()

    def fingerprint(self) -> str:
        """Return the source's."""
        return self._source.fingerprint()


def decoded_once(source: Source, index: Tensor, times: int = 1) -> Source:
    """Return the source for one batch; where it reads samples again, one that decodes each of them once.

    Args:
        source: the samples; where they lie in memory or change as they are read, it stays.
        index: (N,) int64, the samples of the batch, as often as they are read.
        times: how often all of that.

    Example:
        >>> import torch
        >>> from limbeck.data import TensorSource
        >>> source = TensorSource(torch.zeros(2, 3), torch.zeros(2))
        >>> decoded_once(source, torch.tensor([0, 0])) is source    # in memory already
        True
    """
    needless = any(getattr(source, each, None) for each in ("stochastic", "read_pair", "read_many"))
    again = times > 1 or len(set(index.tolist())) < len(index)
    return Decoded(source, index, times) if again and not needless else source
