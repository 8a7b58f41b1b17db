"""A complete cache held in memory, so that a step neither looks anything up on the disk nor decodes it again."""

from collections.abc import Mapping

import torch
from torch import Tensor

from limbeck.cache import Layout, Store

SHARE = 0.25
"""Of an accelerator's free memory, at most so much is taken by a cache."""
MOST = 128 << 20
"""Bytes that a cache takes of the processor's memory at most; each process has its own."""
PIECE = 1 << 16
"""Records that are decoded at once."""


class Resident:
    """All answers of a complete cache in the memory of one device, decoded once.

    Those of a layout that needs a sample's label to be read stay bytes.

    Args:
        store: complete.
        fields: the store's field of each name.
        layouts: how each is read, by name.
        samples: (N,) int64, those that will be read.
        device: where answers are to lie.

    Example:
        >>> import tempfile
        >>> from limbeck.cache import Exact, Header
        >>> header, samples = Header(2, 1, {"logits": {"width": 4}}), torch.tensor([3, 7])
        >>> with Store.create(tempfile.mkdtemp(), header, samples) as store:
        ...     store.write(torch.tensor([0, 1]), {"logits": Exact(1).encode(torch.tensor([[5.0], [6.0]]))})
        ...     held = Resident(store, {"logits": "logits"}, {"logits": Exact(1)}, samples, torch.device("cpu"))
        >>> held.read("logits", torch.tensor([7]), torch.tensor([0]))
        tensor([[6.]])
    """

    def __init__(
        self,
        store: Store,
        fields: Mapping[str, str],
        layouts: Mapping[str, Layout],
        samples: Tensor,
        device: torch.device,
    ):
        known = torch.unique(samples)
        beyond = store.header.samples  # which no answer has
        self._positions = torch.full((int(known[-1]) + 1,), beyond)
        self._positions[known] = store.places(known, torch.zeros_like(known))
        self._positions = self._positions.to(device)
        shape = (store.header.views, store.header.samples, -1)
        self._coded = {name: each for name, each in layouts.items() if needs_labels(each)}
        self._rows: dict[str, Tensor] = {}
        for name, field in fields.items():
            rows = store.resident(field, device)
            rows = rows if name in self._coded else decoded(layouts[name], rows)
            self._rows[name] = rows.view(shape)

    def read(self, name: str, index: Tensor, view: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the answers (N, D) about samples (N,) in their views (N,).

        Raises:
            IndexError: a sample that was not to be read, or a view that there is not; a GPU ends the process instead.
        """
        rows = self._rows[name][view, self._positions[index]]
        return self._coded[name].decode(rows, labels) if name in self._coded else rows


def needs_labels(layout: Layout) -> bool:
    """Return whether a record of ``layout`` cannot be read without the sample's label."""
    return bool(getattr(layout, "label", False))


def decoded(layout: Layout, rows: Tensor) -> Tensor:
    """Return the answers (M, D) of records (M, W)."""
    found = torch.empty(len(rows), layout.size, device=rows.device)
    for number, piece in enumerate(torch.split(rows, PIECE)):
        found[number * PIECE :][: len(piece)] = layout.decode(piece)
    return found


def fits(store: Store, layouts: Mapping[str, Layout], samples: Tensor, device: torch.device) -> bool:
    """Return whether what a complete cache says of ``samples`` (N,) is to be held on ``device``.

    Example:
        >>> import tempfile
        >>> from limbeck.cache import Header
        >>> with Store.create(tempfile.mkdtemp(), Header(2, 1, {"logits": {"width": 1}}), torch.arange(2)) as store:
        ...     fits(store, {}, torch.arange(2), torch.device("meta"))
        False
    """
    each = sum(1 + layout.width + 4 * layout.size for layout in layouts.values())  # while it is decoded
    needed = each * store.header.samples * store.header.views + 8 * (int(samples.max()) + 1)
    if device.type == "cpu":
        return needed <= MOST
    if device.type != "cuda":  # other accelerators do not tell their free memory
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return needed <= SHARE * free
