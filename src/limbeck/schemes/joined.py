"""One batch out of the shares of several processes, for losses that relate samples to one another."""

from dataclasses import replace

import torch
import torch.distributed as dist
from torch import Tensor

from limbeck.processes import apart, joined
from limbeck.types import Context


def joined_context(context: Context) -> Context:
    """Return the context of the whole batch."""
    return replace(context, targets=joined(context.targets), index=joined(context.index))


def labelled_share(labelled: Tensor) -> float:
    """Return by what to multiply a mean over this process's labelled samples, to get its part of the mean over all.

    Processes are averaged in proportion to their samples, but may differ in how many of these have a label.

    Args:
        labelled: (N,) bool, of this process.

    Example:
        >>> labelled_share(torch.tensor([True, False]))
        1.0
    """
    if not apart():
        return 1.0
    here = torch.tensor([labelled.sum(), labelled.numel()], device=labelled.device)
    whole = here.clone()
    dist.all_reduce(whole)
    (part, samples), (among, all_samples) = here.tolist(), whole.tolist()
    return float(part * all_samples / (samples * among)) if among else 0.0
