"""Half precision."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from limbeck.cache.answers import answers, records
from limbeck.cache.bits import bytes_of, from_bytes
from limbeck.checks import whole
from limbeck.errors import LimbeckError

LARGEST = 65_504.0


@dataclass(frozen=True)
class Dense16:
    """Every number of an answer in float16: within 1/2,048 of itself, wherever it lies.

    Definition:
        Bytes 2d and 2d + 1 are number d as IEEE 754 binary16, rounded to the nearest, the lower byte first.

    Args:
        size: D, numbers in an answer, at least 1.

    Raises:
        LimbeckError: a size below 1.

    Example:
        >>> layout = Dense16(2)
        >>> layout.decode(layout.encode(torch.tensor([[1.0, 0.1]]))).tolist()
        [[1.0, 0.0999755859375]]
    """

    size: int
    name: ClassVar[str] = "Dense16"

    def __post_init__(self) -> None:
        whole("size", self.size)

    @property
    def width(self) -> int:
        """Bytes of a record: 2 D."""
        return 2 * self.size

    def encode(self, values: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return records (N, 2 D) of answers (N, D)."""
        return bytes_of(self._checked(values).half())

    def decode(self, rows: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return answers (N, D) of records (N, 2 D), float32."""
        return from_bytes(records(rows, self.width), torch.float16).float()

    def bound(self, values: Tensor) -> Tensor:
        """Return the rounding of each row's largest number, (N,)."""
        return self._checked(values).abs().amax(1) * 2**-11 + 2**-25  # the latter below the normal numbers

    def settings(self) -> dict[str, int | float | str | bool]:
        """Return what :func:`limbeck.cache.layout.layout_of` makes an equal layout of."""
        return {"layout": self.name, "size": self.size}

    def _checked(self, values: Tensor) -> Tensor:
        single = answers(values, self.size)
        largest = float(single.abs().max()) if len(single) else 0.0
        if largest > LARGEST:
            raise LimbeckError(
                f"The teacher's outputs reach {largest:,.0f}, and Dense16 keeps float16, which ends at {LARGEST:,.0f}: "
                "use the layout Exact."
            )
        return single
