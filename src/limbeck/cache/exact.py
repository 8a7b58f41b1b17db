"""Single precision."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from limbeck.cache.answers import answers, records
from limbeck.cache.bits import bytes_of, from_bytes
from limbeck.checks import whole


@dataclass(frozen=True)
class Exact:
    """Every number of an answer in float32: what comes back is what was given, to the bit.

    Definition:
        Bytes 4d to 4d + 3 are number d as IEEE 754 binary32, the lowest byte first. Only float64 is rounded.

    Args:
        size: D, numbers in an answer, at least 1.

    Raises:
        LimbeckError: a size below 1.

    Example:
        >>> layout = Exact(2)
        >>> layout.decode(layout.encode(torch.tensor([[1.0, 0.25]]))).tolist()
        [[1.0, 0.25]]
    """

    size: int
    name: ClassVar[str] = "Exact"

    def __post_init__(self) -> None:
        whole("size", self.size)

    @property
    def width(self) -> int:
        """Bytes of a record: 4 D."""
        return 4 * self.size

    def encode(self, values: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return records (N, 4 D) of answers (N, D)."""
        return bytes_of(answers(values, self.size))

    def decode(self, rows: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return answers (N, D) of records (N, 4 D), float32."""
        return from_bytes(records(rows, self.width), torch.float32)

    def bound(self, values: Tensor) -> Tensor:
        """Return 0 for each row, (N,); for float64, what float32 rounds away."""
        single = answers(values, self.size)
        return (values.detach() - single).abs().amax(1).float()

    def settings(self) -> dict[str, int | float | str | bool]:
        """Return what :func:`limbeck.cache.layout.layout_of` makes an equal layout of."""
        return {"layout": self.name, "size": self.size}
