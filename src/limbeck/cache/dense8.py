"""A byte for each logit."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from limbeck.cache.answers import logits_of, records
from limbeck.cache.scales import step_codes, steps_of
from limbeck.checks import whole
from limbeck.functional import ABSENT

UNKNOWN = 255
"""The code of a class that the teacher does not know."""
MOST_CODE = 254
UNIT = 8
"""Steps in a unit of the offset: coarser units reach further, and cost a row up to this less one of its codes."""
LEAST_OFFSET, MOST_OFFSET = -128, 127


@dataclass(frozen=True)
class Dense8:
    """Every logit of an answer in a byte: value = step · (code + 8 · offset), with a step and an offset for each row.

    Definition:
        Byte 0 is the step's code (:func:`limbeck.cache.scales.step_codes`), byte 1 the offset m as a signed number,
        bytes 2 to D + 1 the codes of the values, 0 to 254; 255 stands for :data:`limbeck.functional.ABSENT`. With
        q = value / step, rounded to whole numbers (halves to even), and q_min, q_max the smallest and largest of the
        classes that are known::

            step = the smallest with  max − min ≤ 246 · step,  −1023.5 · step ≤ min,  max ≤ 1269.5 · step
            m    = ⌊q_min / 8⌋, at most 127
            code = q − 8 · m

        A value comes back within half a step: 1/438 of the row's range at most, or 1/1,819 of its largest value where
        that is more than four ranges away from 0, no worse there than float16.

    Args:
        size: D, numbers in an answer, at least 1.

    Raises:
        LimbeckError: a size below 1.

    Example:
        >>> layout = Dense8(3)
        >>> rows = layout.encode(torch.tensor([[4.0, -1.0, ABSENT]]))
        >>> rows.tolist(), layout.decode(rows).tolist()
        ([[107, 250, 234, 1, 255]], [[3.996..., -1.009..., -30000.0]])
    """

    size: int
    name: ClassVar[str] = "Dense8"

    def __post_init__(self) -> None:
        whole("size", self.size)

    @property
    def width(self) -> int:
        """Bytes of a record: D + 2."""
        return self.size + 2

    def encode(self, values: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return records (N, D + 2) of answers (N, D)."""
        logits, absent = logits_of(values, self.size)
        lowest, highest = _ends(logits, absent)
        chosen = _step_codes(lowest, highest)
        step = steps_of(chosen)
        # Rounding keeps the order, so the smallest code is that of the smallest logit; 127 where no class is known.
        offset = (lowest / step).round_().div_(UNIT, rounding_mode="floor").clamp_(LEAST_OFFSET, MOST_OFFSET)
        codes = (logits / step).round_().sub_(offset, alpha=UNIT)
        if absent is not None:
            codes.masked_fill_(absent, UNKNOWN)
        rows = torch.empty(len(logits), self.width, dtype=torch.uint8, device=logits.device)
        rows[:, :1] = chosen
        rows[:, 1:2] = offset.to(torch.int8).view(torch.uint8)
        rows[:, 2:] = codes
        return rows

    def decode(self, rows: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return answers (N, D) of records (N, D + 2), float32."""
        rows = records(rows, self.width)
        offset = rows[:, 1:2].view(torch.int8).float()
        codes = rows[:, 2:]
        values = (codes + UNIT * offset).mul_(steps_of(rows[:, :1]))
        unknown = codes == UNKNOWN
        return values.masked_fill_(unknown, ABSENT)

    def bound(self, values: Tensor) -> Tensor:
        """Return half a step of each row, (N,), and the little that a division in float32 may be off."""
        ends = _ends(*logits_of(values, self.size))
        return steps_of(_step_codes(*ends)).squeeze(1) * (0.5 + 2**-12)

    def settings(self) -> dict[str, int | float | str | bool]:
        """Return what :func:`limbeck.cache.layout.layout_of` makes an equal layout of."""
        return {"layout": self.name, "size": self.size}


def _ends(logits: Tensor, absent: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the smallest and largest known logit of each row, (N, 1); infinite where no class is known."""
    if absent is None:
        lowest, highest = logits.aminmax(dim=1, keepdim=True)
        return lowest, highest
    lowest = logits.masked_fill(absent, torch.inf).amin(1, keepdim=True)
    return lowest, logits.masked_fill(absent, -torch.inf).amax(1, keepdim=True)


def _step_codes(lowest: Tensor, highest: Tensor) -> Tensor:
    """Return the code (N, 1) of the smallest step with which every known logit of a row gets a code."""
    # Rounding both ends may add a step, and the offset's unit seven; the least and the largest offset bound the rest.
    span = (highest - lowest) / (MOST_CODE - UNIT)
    below = lowest / (UNIT * LEAST_OFFSET + 0.5)
    above = highest / (UNIT * MOST_OFFSET + MOST_CODE - 0.5)
    least = torch.maximum(span, torch.maximum(below, above))
    return step_codes(least.clamp_min_(0.0), Dense8.name)  # minus infinity where no class is known
