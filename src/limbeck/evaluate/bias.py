"""Output biases for classes that the transfer set lacked (Hinton, Vinyals, Dean 2015, section 3)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from limbeck.errors import LimbeckError

Metric = Literal["accuracy", "balanced_accuracy"]

BEYOND = 1.0
"""How far past its only end, in nats, a shift lies in an interval that has no other."""
SAME = 1e-9
"""Scores that differ by no more are one score: shares of samples are added up in another order here than there."""


@dataclass(frozen=True)
class BiasShift:
    """What to add to a model's logits, and what it changed on the samples it was chosen on.

    Args:
        shift: (C,) float32, zero but for the named classes; :class:`limbeck.models.Shifted` deploys it.
        metric: the score that was maximised.
        before: this score without the shift.
        after: this score with it.
        recall_before: (C,) share of each class that was right without the shift, NaN where it has no sample.
        recall_after: (C,) the same with it.
    """

    shift: Tensor
    metric: Metric
    before: float
    after: float
    recall_before: Tensor
    recall_after: Tensor

    def to_dict(self) -> dict[str, Any]:
        """Return the correction as a record; the recall of a class without samples is ``None``."""
        recalls = {
            name: [None if math.isnan(share) else share for share in getattr(self, name).tolist()]
            for name in ("recall_before", "recall_after")
        }
        facts = {"metric": self.metric, "before": self.before, "after": self.after}
        return {"shift": self.shift.tolist(), **facts, **recalls}


def bias_shift(
    logits: Tensor,
    targets: Tensor,
    classes: Sequence[int],
    metric: Metric = "accuracy",
    *,
    each: bool = False,
) -> BiasShift:
    """Find the shift of some classes' logits that scores best on validation samples.

    Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv 1503.02531, section 3: a student
    that never saw a 3 learns from soft targets what a 3 is, but not how frequent it is; raising one bias by 3.5
    brought it from 206 errors to 109. One that saw 7s and 8s alone gives these too much: one shift of both, by -7.6,
    brought it from 47.3 % of errors to 13.2.

    Definition:
        With b added to the logits of the named classes K, sample n changes its answer from the best class outside K
        to the best class in K where b passes t_n = max_{c∉K} z_nc − max_{c∈K} z_nc. The score is therefore constant
        between neighbouring t_n, and its maximum is found exactly, by sorting them. Of the intervals that reach it, the
        one nearest to 0 is taken, and b is its middle; past the last t_n, one nat from it. A shift that scores no
        better than none is none.

    Differs from the paper:
        Chosen on validation samples; the paper chose it on the test set.

    Args:
        logits: (N, C) of validation samples.
        targets: (N,) int64, their true classes; negative where a sample has no label, and then not read.
        classes: the classes to shift, together: those that the transfer set lacked, or had alone.
        metric: ``"accuracy"``, or ``"balanced_accuracy"``, the mean over classes of each one's recall, for a validation
            part in which classes are not as frequent as they will be in use.
        each: one shift for each class in place of one for all: from the best shared shift on, the classes are gone
            through one by one, each exactly, until none gives a better score.

    Raises:
        LimbeckError: no samples; classes that are none, that repeat or that have no sample; all classes by one shift,
            which changes nothing; logits that are not finite.

    Example:
        >>> logits = torch.tensor([[2.0, 0.0], [1.0, 0.0], [3.0, 0.0]])
        >>> found = bias_shift(logits, torch.tensor([0, 1, 0]), classes=[1])
        >>> found.shift.tolist(), round(found.before, 3), found.after
        ([0.0, 1.5], 0.667, 1.0)
    """
    logits, targets = _labelled(logits, targets)
    chosen = _chosen(classes, logits, targets, each)
    weights = _weights(targets, logits.shape[1], metric)
    shift = torch.zeros(logits.shape[1], dtype=torch.float32, device=logits.device)
    shift[chosen] = _best(logits, targets, chosen, weights)
    if each:
        shift = _one_by_one(logits, targets, chosen, weights, shift)
    return BiasShift(
        shift=shift.cpu(),
        metric=metric,
        before=_score(logits, targets, weights),
        after=_score(logits + shift, targets, weights),
        recall_before=_recall(logits, targets),
        recall_after=_recall(logits + shift, targets),
    )


def _labelled(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    if logits.dim() != 2 or targets.shape != logits.shape[:1]:
        raise LimbeckError(
            f"A shift is chosen on logits (N, C) and targets (N), not on {tuple(logits.shape)} and "
            f"{tuple(targets.shape)}: give one row of logits for each label."
        )
    logits, targets = logits.detach()[targets >= 0].float(), targets[targets >= 0]
    if not len(targets):
        raise LimbeckError("No sample has a label to choose a shift by: give labelled validation samples.")
    if not logits.isfinite().all():
        raise LimbeckError("Some logits are not finite, so no shift can be compared: check the model first.")
    if int(targets.max()) >= logits.shape[1]:
        raise LimbeckError(
            f"A target is class {int(targets.max())}, but the logits have {logits.shape[1]} classes: give the labels "
            "the model was trained on."
        )
    return logits, targets


def _chosen(classes: Sequence[int], logits: Tensor, targets: Tensor, each: bool) -> list[int]:
    chosen, count = list(classes), logits.shape[1]
    odd = [one for one in chosen if isinstance(one, bool) or not isinstance(one, int) or not 0 <= one < count]
    if not chosen or odd or len(set(chosen)) < len(chosen):
        raise LimbeckError(
            f"Name the classes to shift by their numbers, each once, from 0 to {count - 1}, not {list(classes)}."
        )
    if len(chosen) == count and not each:
        raise LimbeckError(
            "One shift of all classes changes no answer: name some of them, or give each its own."
        )
    absent = [one for one in chosen if not bool((targets == one).any())]
    if absent:
        raise LimbeckError(
            f"No validation sample is of class {absent[0]}, so none can tell how far to raise it: give labelled "
            "samples of it."
        )
    return chosen


def _weights(targets: Tensor, classes: int, metric: Metric) -> Tensor:
    """Return what each sample counts in the score, in float64."""
    if metric == "accuracy":
        return torch.full((len(targets),), 1 / len(targets), dtype=torch.float64, device=targets.device)
    if metric == "balanced_accuracy":
        counts = torch.bincount(targets, minlength=classes).double()
        return 1 / (counts[targets] * (counts > 0).sum())
    raise LimbeckError(f"A shift maximises accuracy or balanced_accuracy, not {metric!r}.")


def _one_by_one(logits: Tensor, targets: Tensor, chosen: list[int], weights: Tensor, shift: Tensor) -> Tensor:
    """Improve each class's shift given the others', as long as the score rises, which it can do only so often."""
    risen = True
    while risen:
        risen = False
        for one in chosen:
            step = _best(logits + shift, targets, [one], weights)
            tried = shift.clone()
            tried[one] += step
            gain = _score(logits + tried, targets, weights) - _score(logits + shift, targets, weights)
            if gain > SAME:
                shift, risen = tried, True
    return shift


def _best(logits: Tensor, targets: Tensor, chosen: list[int], weights: Tensor) -> float:
    """Return the one shift of the chosen classes that scores best, 0 where none is better than none."""
    inside = torch.zeros(logits.shape[1], dtype=torch.bool, device=logits.device)
    inside[chosen] = True
    if inside.all():
        return 0.0
    exact = logits.double()
    top, own = exact.masked_fill(~inside, float("-inf")).max(1)
    rest, other = exact.masked_fill(inside, float("-inf")).max(1)
    lost, won = other == targets, own == targets  # right below their t_n, and right above it
    ends, scores = _steps(
        torch.cat([(rest - top)[lost], (rest - top)[won]]), torch.cat([-weights[lost], weights[won]])
    )
    scores = scores + weights[lost].sum()
    if float(scores.max()) <= _score(logits, targets, weights) + SAME:
        return 0.0
    low, high = ends[:-1], ends[1:]
    away = torch.maximum(low, -high).clamp(min=0).masked_fill(scores < scores.max() - SAME, float("inf"))
    return _middle(float(low[away.argmin()]), float(high[away.argmin()]))


def _steps(places: Tensor, heights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the ends of the intervals between places, from −inf to inf, and the sum of heights passed in each."""
    ends, which = torch.unique(places, return_inverse=True)
    passed = torch.zeros_like(ends).index_add(0, which, heights).cumsum(0)
    edge = ends.new_tensor([float("inf")])
    return torch.cat([-edge, ends, edge]), torch.cat([passed.new_zeros(1), passed])


def _middle(low: float, high: float) -> float:
    if low == float("-inf"):
        return high - BEYOND
    return low + BEYOND if high == float("inf") else (low + high) / 2


def _score(logits: Tensor, targets: Tensor, weights: Tensor) -> float:
    return float(weights[logits.argmax(1) == targets].sum())


def _recall(logits: Tensor, targets: Tensor) -> Tensor:
    classes = logits.shape[1]
    right = torch.bincount(targets[logits.argmax(1) == targets], minlength=classes)
    return (right / torch.bincount(targets, minlength=classes)).cpu()
