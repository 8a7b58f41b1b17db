"""A complete cache held on an accelerator, so that a step neither waits for it nor for the processor."""

from collections.abc import Mapping

import torch
from torch import Tensor

from limbeck.cache import Store

SHARE = 0.25
"""Of an accelerator's free memory, at most so much is taken by a cache."""


class Resident:
    """All records of a complete cache in the memory of one device.

    Args:
        store: complete.
        fields: the store's field of each name.
        samples: (N,) int64, those that will be read.
        device: where records are to lie.

    Example:
        >>> import tempfile
        >>> from limbeck.cache import Header
        >>> header, samples = Header(2, 1, {"logits": {"width": 1}}), torch.tensor([3, 7])
        >>> with Store.create(tempfile.mkdtemp(), header, samples) as store:
        ...     store.write(torch.tensor([0, 1]), {"logits": torch.tensor([[5], [6]], dtype=torch.uint8)})
        ...     held = Resident(store, {"logits": "logits"}, samples, torch.device("cpu"))
        >>> held.read("logits", torch.tensor([7]), torch.tensor([0]))
        tensor([[6]], dtype=torch.uint8)
    """

    def __init__(self, store: Store, fields: Mapping[str, str], samples: Tensor, device: torch.device):
        ordered = torch.unique(samples)
        self._samples = ordered.to(device)
        self._positions = store.places(ordered, torch.zeros_like(ordered)).to(device)
        self._count = store.header.samples
        self._rows = {name: store.resident(field, device) for name, field in fields.items()}

    def read(self, name: str, index: Tensor, view: Tensor) -> Tensor:
        """Return the bytes (N, width) of what is kept of samples (N,) in their views (N,)."""
        positions = self._positions[torch.searchsorted(self._samples, index)]
        return self._rows[name][view * self._count + positions]


def fits(store: Store, device: torch.device) -> bool:
    """Return whether a cache is to be held on ``device``: an accelerator with memory to spare.

    Example:
        >>> import tempfile
        >>> from limbeck.cache import Header
        >>> with Store.create(tempfile.mkdtemp(), Header(2, 1, {"logits": {"width": 1}}), torch.arange(2)) as store:
        ...     fits(store, torch.device("cpu"))
        False
    """
    if not store.complete or device.type != "cuda":  # other accelerators do not tell their free memory
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return store.bytes <= SHARE * free
