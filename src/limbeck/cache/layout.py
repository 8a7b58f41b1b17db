"""How one answer of a teacher is written as bytes."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Protocol

from torch import Tensor

from limbeck.cache.dense8 import Dense8
from limbeck.cache.dense16 import Dense16
from limbeck.cache.exact import Exact
from limbeck.cache.topk import TopK
from limbeck.errors import LimbeckError, did_you_mean

MOST_DENSE = 256
"""Up to so many classes every logit is kept."""


class Layout(Protocol):
    """A way to write answers of one size as records of one width, each on its own.

    A record depends on its answer (and label) alone, not on the batch it came in; reading it gives the same numbers
    on every machine.
    """

    name: ClassVar[str]

    @property
    def size(self) -> int:
        """D, numbers in an answer: C for logits."""
        ...

    @property
    def width(self) -> int:
        """W, bytes of a record."""
        ...

    def encode(self, values: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return records, (N, W) uint8, on the values' device.

        Args:
            values: (N, D) of any floating type.
            targets: (N,) int64 labels, below 0 where there is none.

        Raises:
            LimbeckError: values that are not finite, or that this layout cannot keep.
        """
        ...

    def decode(self, rows: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return answers, (N, D) float32, on the rows' device.

        Args:
            rows: (N, W) uint8.
            targets: as they were given to :meth:`encode`.

        Raises:
            LimbeckError: rows of another width or type.
        """
        ...

    def bound(self, values: Tensor) -> Tensor:
        """Return the stated error (N,): how far what is kept may come back from what was given."""
        ...

    def settings(self) -> dict[str, int | float | str | bool]:
        """Return what :func:`layout_of` makes an equal layout of; fit for JSON."""
        ...


KINDS: dict[str, tuple[type[Layout], dict[str, type]]] = {
    "Dense8": (Dense8, {"size": int}),
    "Dense16": (Dense16, {"size": int}),
    "Exact": (Exact, {"size": int}),
    "TopK": (TopK, {"size": int, "k": int, "bits": int, "label": bool, "table": str, "left": float}),
}


def layout_of(settings: Mapping[str, Any]) -> Layout:
    """Return the layout that a cache's header describes.

    Args:
        settings: from :meth:`Layout.settings`, perhaps with the ``width`` of a record beside them.

    Raises:
        LimbeckError: an unknown layout; settings that it lacks, does not have, or that are out of range.

    Example:
        >>> layout_of({"layout": "Dense8", "size": 10})
        Dense8(size=10)
    """
    name = str(settings.get("layout"))
    if name not in KINDS:
        raise LimbeckError(
            f"No layout {name!r} of a cache's records; there are {', '.join(KINDS)}."
            f"{did_you_mean(name, KINDS)} A newer limbeck may know it."
        )
    kind, fields = KINDS[name]
    given = {key: value for key, value in settings.items() if key not in ("layout", "width")}
    if given.keys() != fields.keys() or any(type(given[key]) is not fields[key] for key in fields):
        raise LimbeckError(
            f"The layout {name} is described by {', '.join(fields)}, and this is not: "
            f"{', '.join(map(str, given)) or 'none'}. They were altered, or written by another version."
        )
    layout = kind(**given)
    if settings.get("width", layout.width) != layout.width:
        raise LimbeckError(
            f"Records of {layout} have {layout.width} bytes, not the {settings['width']} that are written beside it: "
            "this was altered, or written by another version."
        )
    return layout


def suitable_layout(size: int, *, kind: Literal["logits", "values", "vector"]) -> Layout:
    """Return the layout that serves best by error and bytes.

    Args:
        size: numbers in an answer: C for logits.
        kind: ``"logits"``; ``"values"``, what a regression answers; ``"vector"``, pooled features.

    Raises:
        LimbeckError: another kind; a size below 1.

    Example:
        >>> suitable_layout(100, kind="logits"), suitable_layout(1000, kind="logits").width
        (Dense8(size=100), 27)
    """
    if kind == "logits":
        return Dense8(size) if size <= MOST_DENSE else TopK(size)
    if kind == "values":
        return Exact(size)
    if kind == "vector":
        return Dense8(size)  # within 0.4 % of a vector's length where measured, in half of Dense16's bytes
    raise LimbeckError(f"No kind of answer {kind!r}: 'logits', 'values' or 'vector'.")


def fitted_layout(layout: Layout, values: Tensor) -> Layout:
    """Return the layout after it has learnt what it can from some of the teacher's answers.

    TopK learns to guess the logits that it does not keep; others have nothing to learn. Records written before and
    after differ in how they are read: fit first, then write.

    Args:
        layout: of the cache.
        values: (N, D) answers, a thousand or more, of inputs as the teacher will be asked.

    Raises:
        LimbeckError: answers of another size, or not finite.

    Example:
        >>> import torch
        >>> fitted_layout(Dense8(3), torch.zeros(2, 3))
        Dense8(size=3)
    """
    return layout.fitted(values) if isinstance(layout, TopK) else layout
