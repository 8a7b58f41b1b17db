"""Which other samples a sample is told apart from."""

import torch
from torch import Tensor

from limbeck.errors import LimbeckError


def other_samples(index: Tensor, samples: int, most: int) -> tuple[Tensor, Tensor]:
    """Return samples other than those at ``index``: all of them, or draws from them where there are too many.

    Args:
        index: (N,) int64, below ``samples``.
        samples: how many there are.
        most: how many each sample is compared with at most.

    Returns:
        (N, samples) bool, those to leave out, where all others are taken; else (N, most) int64, drawn uniformly with
        replacement by torch's generator. And (N,), how many each sample is compared with.

    Example:
        >>> excluded, number = other_samples(torch.tensor([2]), samples=4, most=10)
        >>> excluded.tolist(), number.tolist()
        ([[False, False, True, False]], [3])
    """
    if most >= samples - 1:
        rows = torch.arange(samples, device=index.device)
        return rows == index[:, None], torch.full_like(index, samples - 1)
    drawn = torch.randint(samples - 1, (len(index), most), device=index.device)
    drawn += drawn >= index[:, None]  # one step over the sample itself
    return drawn, torch.full_like(index, most)


def other_classes(index: Tensor, labels: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Return samples of other classes than those at ``index``: all of them, or draws from them.

    Args:
        index: (N,) int64.
        labels: (samples,) int64; a class of its own, such as -1, for those whose label is not known.
        most: how many each sample is compared with at most.

    Returns:
        As :func:`other_samples`.

    Raises:
        LimbeckError: a sample's class is the only one.

    Example:
        >>> excluded, number = other_classes(torch.tensor([2]), torch.tensor([0, 1, 0, -1]), most=10)
        >>> excluded.tolist(), number.tolist()
        ([[True, False, True, False]], [2])
    """
    own, samples = labels[index].contiguous(), len(labels)
    order = labels.argsort(stable=True)
    grouped = labels[order]
    start, end = torch.searchsorted(grouped, own), torch.searchsorted(grouped, own, right=True)
    left = samples - (end - start)
    if not bool((left > 0).all()):
        raise LimbeckError(
            "CRD has no samples of other classes to compare with: give labels of two classes at least, or "
            "negatives_from='other samples'."
        )
    if most >= samples - 1:
        return labels == own[:, None], left
    shares = torch.rand((len(index), most), device=index.device, dtype=torch.float64)
    drawn = (shares * left[:, None]).long()
    drawn += torch.where(
        drawn >= start[:, None], (end - start)[:, None], 0
    )  # one step over the sample's class
    return order[drawn], torch.full_like(index, most)
