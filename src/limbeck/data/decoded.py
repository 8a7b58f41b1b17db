"""Samples of one batch that are read once, however often they are asked for."""

from typing import Any

from torch import Tensor

from limbeck.data.source import Source


class Decoded:
    """Samples of a source read once each and handed out as copies: files are not decoded again.

    Args:
        source: whose samples do not change from one read to the next.

    Example:
        >>> import torch
        >>> from limbeck.data import TensorSource
        >>> batch = Decoded(TensorSource(torch.zeros(2, 3), torch.zeros(2)))
        >>> batch.read(1).add_(1), batch.read(1)    # a copy each time
        (tensor([1., 1., 1.]), tensor([0., 0., 0.]))
    """

    def __init__(self, source: Source):
        self._source = source
        self._read: dict[int, Tensor] = {}
        self.targets: Any = source.targets

    def __len__(self) -> int:
        return len(self._source)

    def read(self, index: int) -> Tensor:
        """Return sample ``index``."""
        if index not in self._read:
            self._read[index] = self._source.read(index)
        return self._read[index].clone()

    def fingerprint(self) -> str:
        """Return the source's."""
        return self._source.fingerprint()


def decoded_once(source: Source) -> Source:
    """Return the source for one batch that reads samples again; one that draws while it reads stays as it is.

    Example:
        >>> import torch
        >>> from limbeck.data import TensorSource
        >>> source = TensorSource(torch.zeros(2, 3), torch.zeros(2))
        >>> decoded_once(source) is source    # in memory already
        True
    """
    needless = any(getattr(source, each, None) for each in ("stochastic", "read_pair", "read_many"))
    return source if needless else Decoded(source)
