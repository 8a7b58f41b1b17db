"""The largest logits of a row, and what the rest is like."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from limbeck.cache.answers import logits_of, records
from limbeck.cache.bits import packed, unpacked
from limbeck.cache.scales import span_codes, spans_of, step_codes, steps_of
from limbeck.cache.tail import tail_like
from limbeck.checks import switch, whole
from limbeck.errors import LimbeckError
from limbeck.functional import ABSENT

LEAST_BITS, MOST_BITS = 4, 8
NOTHING = 255
"""In place of the tail's mean: the teacher knows no class of the tail; of the label's logit: it is not kept."""
MOST_SPAN = float(spans_of(torch.tensor(NOTHING - 1)))


@dataclass(frozen=True)
class TopK:
    """The k largest logits of a row, with mean and spread of the others: a dense row again when it is read.

    Args:
        size: C, number of classes.
        k: how many logits are kept, below C.
        bits: of each of them, 4 to 8.
        label: keep the label's logit too, where it is not among the largest.

    Raises:
        LimbeckError: settings out of range.

    Example:
        >>> layout = TopK(1000)
        >>> layout.decode(layout.encode(torch.randn(2, 1000))).shape, layout.width
        (torch.Size([2, 1000]), 27)
    """

    size: int
    k: int = 10
    bits: int = 8
    label: bool = False
    name: ClassVar[str] = "TopK"

    def __post_init__(self) -> None:
        whole("size", self.size, 2)
        whole("k", self.k)
        whole("bits", self.bits, LEAST_BITS)
        switch("label", self.label)
        if self.k >= self.size or self.bits > MOST_BITS:
            raise LimbeckError(
                f"TopK keeps k logits of more than k classes with {LEAST_BITS} to {MOST_BITS} bits each, not "
                f"k = {self.k} of {self.size} with {self.bits} bits: Dense8 keeps all of them."
            )

    @property
    def width(self) -> int:
        """Bytes of a record."""
        return (sum(count * bits for count, bits in self._fields) + 7) // 8

    def encode(self, values: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return records (N, W) of logits (N, C); ``targets`` (N,) are labels, below 0 where there is none."""
        logits, absent = logits_of(values, self.size)
        top, index = logits.topk(self.k, 1)
        lacking = absent.gather(1, index)
        self._refuse_holes(absent, lacking)
        label = self._label(targets, index)
        gap, spread, label_gap = _statistics(logits, top, index, label)
        chosen = self._step_codes(top.masked_fill(lacking, torch.nan), torch.stack([gap, spread, label_gap]))
        step = steps_of(chosen)[:, None]
        quantised = (top / step).round_()
        anchor = (quantised[:, :1] / self._unit).ceil_().clamp_(-128, 127)
        codes = (self._unit * anchor - quantised).masked_fill_(lacking, self._most).long()
        moved = (step * quantised - top)[:, -1]  # spans are from the k-th logit as it will be read
        per_span = (self._span * step).squeeze(1)
        spans = torch.stack([gap + moved, spread, label_gap + moved], 1) / per_span[:, None]
        written = span_codes(spans.clamp_(0, MOST_SPAN))
        written[:, 0].masked_fill_(absent.any(1), NOTHING)
        written[:, 2].masked_fill_(label < 0, NOTHING)
        fields = [chosen[:, None], anchor.long() & 255, written[:, :2], codes, index]
        if self.label:
            fields.append(written[:, 2:])
        return packed([(field, bits) for field, (_, bits) in zip(fields, self._fields, strict=True)])

    def decode(self, rows: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return logits (N, C) of records (N, W), float32; ``targets`` say whose logit the label's is."""
        chosen, anchor, spans, codes, index, *more = unpacked(records(rows, self.width), self._fields)
        step = steps_of(chosen)
        anchor = anchor - ((anchor & 128) << 1)
        top = step * (self._unit * anchor - codes)
        gap, spread = ((step * self._span) * spans_of(spans)).split(1, 1)
        index = index.clamp_max(self.size - 1)
        known, placed = index, top.masked_fill(codes == self._most, ABSENT)
        if more and targets is not None:
            label = torch.where(more[0][:, 0] == NOTHING, -1, self._label(targets, index))
            known = torch.cat([index, label[:, None]], 1)
        made = tail_like(spread, spread.square() / 8, known, self.size)
        made += top[:, -1:] - gap
        made.masked_fill_(spans[:, :1] == NOTHING, ABSENT)
        made.clamp_max_(top[:, -1:])
        if known is not index:
            label = known[:, -1:]
            value = top[:, -1:] - step * self._span * spans_of(more[0])
            place = label.clamp_min(0)
            made.scatter_(1, place, torch.where(label < 0, made.gather(1, place), value))
        return made.scatter_(1, index, placed)

    def bound(self, values: Tensor) -> Tensor:
        """Return half a step of each row, (N,): how far the k largest may be off."""
        logits, absent = logits_of(values, self.size)
        top, index = logits.topk(self.k, 1)
        label = index.new_full((len(index),), -1)
        spans = torch.stack(_statistics(logits, top, index, label))
        chosen = self._step_codes(top.masked_fill(absent.gather(1, index), torch.nan), spans)
        return steps_of(chosen) * (0.5 + 2**-12)

    def settings(self) -> dict[str, int | float | str | bool]:
        """Return what :func:`limbeck.cache.layout.layout_of` makes an equal layout of."""
        return {"layout": self.name, "size": self.size, "k": self.k, "bits": self.bits, "label": self.label}

    @property
    def _fields(self) -> list[tuple[int, int]]:
        fields = [(1, 8), (1, 8), (2, 8), (self.k, self.bits), (self.k, (self.size - 1).bit_length())]
        return [*fields, (1, 8)] if self.label else fields

    @property
    def _most(self) -> int:
        return 2**self.bits - 1

    @property
    def _unit(self) -> int:
        """Steps in a unit of the anchor."""
        return max(1, 2 ** (self.bits - 5))

    @property
    def _span(self) -> float:
        """Steps in a unit of the statistics."""
        return 2.0 ** (self.bits - 8)

    def _step_codes(self, top: Tensor, spans: Tensor) -> Tensor:
        """Return the code of the smallest step that suits the largest logits (N, k) and the spans (S, N)."""
        top = top.nan_to_num(torch.nan)
        low, high = top.nan_to_num(torch.inf).amin(1), top.nan_to_num(-torch.inf).amax(1)
        unit = self._unit
        least = torch.stack(
            [
                (high - low) / (self._most - 1 - unit),
                high / (127 * unit - 0.5),
                -low / (128 * unit + self._most - 1.5),
                spans.amax(0) / (self._span * (MOST_SPAN - 64)),
            ]
        )
        return step_codes(least.amax(0).clamp_min_(0.0), self.name)

    def _label(self, targets: Tensor | None, index: Tensor) -> Tensor:
        """Return the labels (N,) whose logits are kept apart, -1 where none is."""
        if targets is None or not self.label:
            return index.new_full((len(index),), -1)
        apart = (targets >= 0) & ~(index == targets[:, None]).any(1)
        return torch.where(apart, targets, -1)

    def _refuse_holes(self, absent: Tensor, lacking: Tensor) -> None:
        missing = absent.sum(1)
        holes = (missing > 0) & (missing - lacking.sum(1) < self.size - self.k)
        if bool(holes.any()):
            raise LimbeckError(
                "TopK does not keep which of the smaller logits are of classes that the teacher does not know "
                "(limbeck.functional.ABSENT): use the layout Dense8."
            )


def _statistics(logits: Tensor, top: Tensor, index: Tensor, label: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return, (N,) each, how far mean and label are below the k-th logit, and the standard deviation of the tail."""
    last = top[:, -1:]
    below = (last - logits).scatter_(1, index, 0.0)
    place, apart = label.clamp_min(0)[:, None], (label >= 0)[:, None]
    label_gap = torch.where(apart, below.gather(1, place), 0.0)
    count = logits.shape[1] - index.shape[1] - apart.float()
    mean = (below.sum(1, keepdim=True) - label_gap) / count.clamp_min(1.0)
    away = (below - mean).scatter_(1, index, 0.0)
    away.scatter_(1, place, torch.where(apart, 0.0, away.gather(1, place)))
    spread = (away.square().sum(1) / count.squeeze(1).clamp_min(1.0)).sqrt()
    return mean.squeeze(1), spread, label_gap.squeeze(1)
