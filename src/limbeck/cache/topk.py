"""The largest logits of a row, and what the rest is like."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from limbeck.cache.answers import logits_of, records
from limbeck.cache.bits import packed, unpacked
from limbeck.cache.scales import MOST_SPAN, span_codes, spans_of, step_codes, steps_of
from limbeck.cache.tail import statistics, two_levels
from limbeck.cache.usual import guessed, learnt, usual
from limbeck.checks import positive, switch, whole
from limbeck.errors import LimbeckError
from limbeck.functional import ABSENT

LEAST_BITS, MOST_BITS = 4, 8
NOTHING = 255
"""In place of the tail's mean: the teacher knows no class of the tail; of the label: its logit is not kept apart."""
NUDGE = 2**-12
"""Steps by which each kept logit is read as less than it is written for every one in front of it."""
LEAST_ROWS, MOST_ROWS = 32, 2048
"""From how many answers is learnt what the teacher usually says."""


@dataclass(frozen=True)
class TopK:
    """The k largest logits of a row with mean and spread of the others; read, it is a row of C logits again.

    So every loss on logits works, at any temperature. The logits that are not kept are guessed from those that are
    (:func:`limbeck.cache.usual.guessed`) once :meth:`fitted` has seen some answers, else all but a few are the same
    (:func:`limbeck.cache.tail.two_levels`); either way they have the mean and standard deviation of the true ones.

    Definition:
        The fields of a record, bit by bit as :func:`limbeck.cache.bits.packed` writes them: the step's code (8 bits,
        :func:`limbeck.cache.scales.step_codes`); the anchor a, signed (8); the tail's mean and standard deviation
        (8 each); k codes (``bits`` each); k classes (⌈log₂ C⌉ each), largest logit first; with ``label`` the label's
        logit (8), 255 where it is among the k or there is no label. With q = z / step, rounded, L = 2^bits − 1 and
        u = max(1, 2^(bits − 5))::

            step = the smallest with  z_1 − z_k ≤ (L − 1 − u) step,  z_1 ≤ (127 u − ½) step,
                   −z_k ≤ (128 u + L − 3/2) step,  and with which the numbers below are at most 3,904
            a    = ⌈q_1 / u⌉, at least −128
            code = u a − q;  L for limbeck.functional.ABSENT

        The j-th largest is read as step · (q − j / 4,096), j from 0, so that equal codes keep their order and the
        likeliest class stays so. Mean and label are written as how far they are below the k-th as it is read, the
        standard deviation as it is, each in units of 2^(bits − 8) steps (:func:`limbeck.cache.scales.span_codes`); a
        mean of 255 says that the whole tail is ABSENT. What is not kept is read as less than the k-th.

    Args:
        size: C, number of classes.
        k: how many logits are kept, below C.
        bits: of each of them, 4 to 8.
        label: keep the label's logit too where it is not among the largest; for DKD and NKD, which ask for it.
        table: what the teacher usually answers, as :meth:`fitted` writes it; nothing unless told.
        left: the variance that this leaves, in units of the tail's.

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
    table: str = field(default="", repr=False)
    left: float = 1.0
    name: ClassVar[str] = "TopK"

    def __post_init__(self) -> None:
        whole("size", self.size, 2)
        whole("k", self.k)
        whole("bits", self.bits, LEAST_BITS)
        switch("label", self.label)
        positive("left", self.left)
        if self.k >= self.size or self.bits > MOST_BITS:
            raise LimbeckError(
                f"TopK keeps k logits of more than k classes with {LEAST_BITS} to {MOST_BITS} bits each, not "
                f"k = {self.k} of {self.size} with {self.bits} bits: Dense8 keeps all of them."
            )
        if self.table:
            usual(self.table, self.size, torch.device("cpu"))

    @property
    def width(self) -> int:
        """Bytes of a record: ⌈(32 + k · (bits + ⌈log₂ C⌉) + 8 with a label) / 8⌉."""
        return (sum(count * bits for count, bits in self._fields) + 7) // 8

    def fitted(self, values: Tensor, rank: int = 16) -> "TopK":
        """Return this layout with a table of what the teacher usually answers, by which the tail is guessed.

        Definition:
            Of the first 2,048 rows without absent classes, each less its tail's mean and divided by its tail's
            standard deviation, mean and principal components are kept (:func:`limbeck.cache.usual.learnt`): C · (1 +
            rank) bytes for the whole cache. With fewer than 32 rows nothing is learnt.

        Args:
            values: (N, C) answers of the teacher, a thousand or more, of inputs as it will be asked.
            rank: how many components.

        Raises:
            LimbeckError: as :meth:`encode`.

        Example:
            >>> layout = TopK(100).fitted(torch.randn(200, 100), rank=4)
            >>> layout.width == TopK(100).width, len(layout.table)
            (True, 668)
        """
        logits, absent = logits_of(values, self.size)
        rows = logits if absent is None else logits[~absent.any(1)]
        top, index = rows.topk(self.k, 1)
        mean, deviation, _ = torch.split(statistics(rows, top, index, _none(rows)), 1, 1)
        varied = deviation.squeeze(1) > 0
        standard = ((rows - (top[:, -1:] - mean)) / deviation)[varied][:MOST_ROWS]
        if len(standard) < LEAST_ROWS or self.size - self.k < 2:
            return self
        table, left = learnt(standard, whole("rank", rank))
        return replace(self, table=table, left=left)

    def encode(self, values: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return records (N, W) of logits (N, C); ``targets`` (N,) are labels, below 0 where there is none."""
        logits, absent = logits_of(values, self.size)
        top, index = logits.topk(self.k, 1)
        label = self._label(targets, index)
        lacking, spans = self._spans(logits, absent, top, index, label)
        chosen = self._step_codes(top, lacking, spans)
        step = steps_of(chosen)
        quantised = (top / step).round_()
        anchor = (quantised[:, :1] / self._unit).ceil_().clamp_(-128, 127)
        codes = self._unit * anchor - quantised
        last = quantised[:, -1:] - NUDGE * (self.k - 1)
        spans[:, ::2] += step * last - top[:, -1:]  # from the k-th logit as it will be read
        written = span_codes(spans / (step * self._span)).clamp_max_(NOTHING - 1)
        written[:, 2].masked_fill_(label < 0, NOTHING)
        if lacking is not None and absent is not None:
            codes.masked_fill_(lacking, self._most)
            written[:, ::2].masked_fill_(absent.any(1, keepdim=True), NOTHING)
        fields = [chosen, anchor.long() & 255, written[:, :2], codes, index, written[:, 2:]]
        return packed([(each, bits) for each, (_, bits) in zip(fields, self._fields, strict=False)])

    def decode(self, rows: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return logits (N, C) of records (N, W), float32; ``targets`` say whose the label's logit is."""
        chosen, anchor, spans, codes, index, *label_span = unpacked(records(rows, self.width), self._fields)
        step, index = steps_of(chosen), index.clamp_max_(self.size - 1)
        signed = anchor - ((anchor & 128) << 1)
        order = NUDGE * torch.arange(
            self.k, device=rows.device
        )  # equal codes come in the order that they were in
        top = step * (self._unit * signed - codes - order)
        lacking, last = codes == self._most, top[:, -1:]
        per_span, below = step * self._span, last - NUDGE * step  # what is not kept comes after the k-th
        gap, deviation = torch.split(per_span * spans_of(spans), 1, 1)
        known, values = torch.where(lacking, -1, index), top
        if label_span and targets is not None:
            label = self._label(targets, index).masked_fill_(label_span[0].squeeze(1) == NOTHING, -1)
            known = torch.cat([known, label[:, None]], 1)
            values = torch.cat([top, (last - per_span * spans_of(label_span[0])).minimum(below)], 1)
        made = self._tail(known, values, last - gap, deviation).clamp_max_(below)
        made.masked_fill_(spans[:, :1] == NOTHING, ABSENT)
        if known.shape[1] > self.k:
            place = known[:, -1:].clamp_min(0)
            kept_apart = torch.where(known[:, -1:] < 0, made.gather(1, place), values[:, -1:])
            made.scatter_(1, place, kept_apart)
        return made.scatter_(1, index, top.masked_fill_(lacking, ABSENT))

    def bound(self, values: Tensor) -> Tensor:
        """Return half a step of each row, (N,), and k / 4,096 of it: how far the k largest may be off.

        Of the others no error can be stated.
        """
        logits, absent = logits_of(values, self.size)
        top, index = logits.topk(self.k, 1)
        lacking, spans = self._spans(logits, absent, top, index, _none(logits))
        if self.label:  # the farthest that a label may be
            farthest = top[:, -1:] - logits.amin(1, keepdim=True)
            spans = farthest if absent is None else farthest.masked_fill(absent.any(1, keepdim=True), 0.0)
        return steps_of(self._step_codes(top, lacking, spans)).squeeze(1) * (0.5 + NUDGE * (self.k + 1))

    def settings(self) -> dict[str, int | float | str | bool]:
        """Return what :func:`limbeck.cache.layout.layout_of` makes an equal layout of."""
        shape: dict[str, int | float | str | bool] = {"layout": self.name, "size": self.size, "k": self.k}
        return {**shape, "bits": self.bits, "label": self.label, "table": self.table, "left": self.left}

    @property
    def _fields(self) -> list[tuple[int, int]]:
        fields = [(1, 8), (1, 8), (2, 8), (self.k, self.bits), (self.k, (self.size - 1).bit_length())]
        return [*fields, (1, 8)] if self.label else fields

    @property
    def _most(self) -> int:
        return (1 << self.bits) - 1

    @property
    def _unit(self) -> int:
        """Steps in a unit of the anchor."""
        return 1 << max(0, self.bits - 5)

    @property
    def _span(self) -> float:
        """Steps in a unit of the statistics."""
        return 2.0 ** (self.bits - 8)

    def _step_codes(self, top: Tensor, lacking: Tensor | None, spans: Tensor) -> Tensor:
        """Return the code (N, 1) of the smallest step that suits the largest logits (N, k) and the spans (N, S)."""
        low, high = top[:, -1:], top[:, :1]
        if lacking is not None:
            low = top.masked_fill(lacking, torch.inf).amin(1, True)
            high = high.masked_fill(lacking[:, :1], -torch.inf)
        unit, most = self._unit, self._most
        least = [
            (high - low) / (most - 1 - unit),
            high / (127 * unit - 0.5),
            -low / (128 * unit + most - 1.5),
            spans.amax(1, True) / (self._span * (MOST_SPAN - 128)),
        ]
        return step_codes(torch.cat(least, 1).amax(1, True).clamp_min_(0.0), self.name)

    def _label(self, targets: Tensor | None, index: Tensor) -> Tensor:
        """Return the labels (N,) whose logits are kept apart, -1 where none is."""
        if targets is None or not self.label:
            return _none(index)
        if (
            targets.shape != index.shape[:1]
            or targets.is_floating_point()
            or bool((targets >= self.size).any())
        ):
            raise LimbeckError(
                f"TopK keeps the logits of labels, one for each row, from 0 to {self.size - 1}, below 0 for none. "
                f"These are {targets.dtype} {tuple(targets.shape)}, or reach further: give class indices, or set "
                "label=False."
            )
        return torch.where((targets < 0) | (index == targets[:, None]).any(1), -1, targets)

    def _spans(
        self, logits: Tensor, absent: Tensor | None, top: Tensor, index: Tensor, label: Tensor
    ) -> tuple[Tensor | None, Tensor]:
        """Return which of the largest are absent, if any, and the statistics of the others, 0 where they are absent."""
        spans = statistics(logits, top, index, label)
        if absent is None:
            return None, spans
        return self._lacking(absent, index), spans.masked_fill_(absent.any(1, keepdim=True), 0.0)

    def _lacking(self, absent: Tensor, index: Tensor) -> Tensor:
        """Return which of the largest are absent, after refusing rows of whose other logits only some are."""
        lacking = absent.gather(1, index)
        others = absent.sum(1) - lacking.sum(1)
        if bool(((others > 0) & (others < self.size - self.k)).any()):
            raise LimbeckError(
                "TopK does not keep which of the smaller logits are of classes that the teacher does not know "
                "(limbeck.functional.ABSENT): use the layout Dense8."
            )
        return lacking

    def _tail(self, known: Tensor, values: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
        """Return logits (N, C) for the classes that are not known."""
        if not self.table:
            return two_levels(deviation, known, self.size).add_(mean)
        about = usual(self.table, self.size, known.device)
        standard = (values - mean) / deviation.clamp_min(1e-30)
        guess, centre, unit = guessed(about, known, standard.masked_fill_(deviation == 0, 0.0), self.left)
        scale = torch.where(unit > 0, deviation / unit.clamp_min(1e-30), 0.0)
        return guess.mul_(scale).add_(mean - scale * centre)


def _none(rows: Tensor) -> Tensor:
    return torch.full((len(rows),), -1, dtype=torch.int64, device=rows.device)
