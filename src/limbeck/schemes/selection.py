"""Some samples of a batch, where a scheme does not teach or judge all of them alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.processes import apart
from limbeck.schemes.term import Term, names_of
from limbeck.types import Batch, Outputs


def selected(value: Any, rows: Tensor) -> Any:
    """Return those rows of every tensor in ``value``; containers keep their type.

    Args:
        value: a tensor (N, …), or containers of them; ``None`` stays.
        rows: (M,) int64, which samples.

    Example:
        >>> selected((torch.arange(3), {"ids": torch.arange(6).view(3, 2)}), torch.tensor([2, 0]))
        (tensor([2, 0]), {'ids': tensor([[4, 5],
                [0, 1]])})
    """
    if isinstance(value, Tensor):
        return value[rows.to(value.device)]
    if isinstance(value, Mapping):
        return {name: selected(each, rows) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(selected(each, rows) for each in value)
    return value


def selected_batch(batch: Batch, rows: Tensor) -> Batch:
    """Return a batch of those samples alone.

    Args:
        batch: the whole of it.
        rows: (M,) int64, which samples.

    Example:
        >>> selected_batch(Batch(torch.eye(3), torch.tensor([5, 6, 7])), torch.tensor([1])).targets
        tensor([6])
    """
    return replace(
        batch,
        inputs=selected(batch.inputs, rows),
        targets=selected_targets(batch.targets, rows),
        index=selected(batch.index, rows),
        view=selected(batch.view, rows),
        labelled=selected(batch.labelled, rows),
    )


def selected_targets(targets: Any, rows: Tensor) -> Any:
    """Return the targets of those samples: of a list, boxes say, the items.

    Args:
        targets: a tensor (N, …), or one item for each sample; ``None`` stays.
        rows: (M,) int64, which samples.

    Example:
        >>> selected_targets(["a", "b", "c"], torch.tensor([2, 0]))
        ['c', 'a']
    """
    if isinstance(targets, list | tuple):
        return [targets[row] for row in rows.tolist()]
    return selected(targets, rows)


def selected_outputs(outputs: Outputs, names: Sequence[str], rows: Tensor, samples: int) -> Outputs:
    """Return named outputs of those samples alone.

    Args:
        outputs: of a whole batch.
        names: which outputs; others are left out.
        rows: (M,) int64, which samples.
        samples: how many there are in the batch.

    Raises:
        LimbeckError: an output whose first axis is not that of the samples.

    Example:
        >>> selected_outputs(Outputs(logits=torch.eye(3)), ["logits"], torch.tensor([1]), samples=3)["logits"]
        tensor([[0., 1., 0.]])
    """
    for name in names:
        parts = outputs[name] if isinstance(outputs[name], list | tuple) else [outputs[name]]
        for part in parts:
            if isinstance(part, Tensor) and (part.dim() == 0 or len(part) != samples):
                raise LimbeckError(
                    f"{name!r} gives {tuple(part.shape)} for {samples} samples, so the rows of some of them cannot be "
                    "told: teach from a layer whose first axis is that of the samples."
                )
    return Outputs({name: selected(outputs[name], rows) for name in names})


def nothing(term: Term, outputs: Outputs) -> Tensor:
    """Return a loss of exactly zero, whose gradient is zero for all that the term would have trained.

    Sums over no elements, not zero times something: that would be NaN where an output is infinite.

    Args:
        term: what teaches nothing this time.
        outputs: of the student.

    Example:
        >>> from limbeck.losses import KD
        >>> nothing(Term(KD()), Outputs(logits=torch.tensor([[float("inf")]]))).item()
        0.0
    """
    taught: list[Any] = [outputs[name] for name in names_of(term.student)]
    values: list[Any] = [*taught, *term.parameters()]
    total = torch.zeros(())
    while values:
        value = values.pop()
        if isinstance(value, Tensor):
            total = total.to(value.device) + value.flatten()[:0].sum()
        else:
            values.extend(value.values() if isinstance(value, Mapping) else value)
    return total


def summed(counts: Tensor) -> Tensor:
    """Return counts added up over all processes.

    Args:
        counts: int64, of this process.

    Example:
        >>> summed(torch.tensor([3, 5]))
        tensor([3, 5])
    """
    if apart():
        counts = counts.clone()
        dist.all_reduce(counts)
    return counts


@dataclass(frozen=True)
class Counts:
    """How many samples a batch has, here or over all processes.

    Args:
        samples: all of them.
        labelled: those with a label.
        asked: those that the teacher is to speak of.
        chosen: those of them on which it is heard.
    """

    samples: int
    labelled: int
    asked: int
    chosen: int

    def over_processes(self, device: torch.device) -> "Counts":
        """Return the counts added up over all processes.

        Args:
            device: where processes speak to each other.

        Example:
            >>> Counts(4, 2, 2, 1).over_processes(torch.device("cpu"))
            Counts(samples=4, labelled=2, asked=2, chosen=1)
        """
        if not apart():
            return self
        here = torch.tensor([self.samples, self.labelled, self.asked, self.chosen], device=device)
        return Counts(*(int(each) for each in summed(here).tolist()))


def fair(part: int, here: Counts, among: int, whole: Counts) -> float:
    """Return by what to multiply a mean over some samples of this process, to get its part of the mean over all.

    Processes are averaged in proportion to their samples, but may differ in how many of these count.

    Args:
        part: how many samples of this process the mean is over.
        here: counts of this process.
        among: how many samples of all processes the whole mean is over, those that count zero among them.
        whole: counts of all processes.

    Example:
        >>> here = Counts(samples=4, labelled=1, asked=3, chosen=2)
        >>> fair(here.chosen, here, here.asked, here)  # one process: the share that is heard
        0.6666666666666666
        >>> whole = Counts(samples=8, labelled=4, asked=4, chosen=2)
        >>> fair(here.labelled, here, whole.labelled, whole)  # a quarter of these are labelled, half of all
        0.5
    """
    return part * whole.samples / (here.samples * among) if among else 0.0
