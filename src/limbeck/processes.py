"""Several processes that share each batch: whether there are, and the rows of all."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import FunctionCtx


def apart() -> bool:
    """Return whether this process sees only a share of each batch.

    Example:
        >>> apart()
        False
    """
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def joined(value: Any) -> Any:
    """Return the rows of all processes, in order of rank; gradients flow back to the process each came from.

    Every process then computes the loss of the whole batch, and the gradient of a row is the sum over processes: once
    gradients are averaged over them, the parameters' are those of one process on the whole batch.

    Args:
        value: a tensor (n, …) whose n may differ between processes, or a tuple of them.

    Example:
        >>> joined(torch.zeros(2, 3)).shape
        torch.Size([2, 3])
    """
    if isinstance(value, tuple):
        return tuple(joined(each) for each in value)
    if not apart() or not isinstance(value, Tensor):
        return value
    rows = torch.tensor([value.shape[0]], device=value.device)
    counts = [torch.zeros_like(rows) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, rows)
    numbers = [int(each) for each in counts]
    missing = max(numbers) - value.shape[0]
    if missing:
        value = torch.cat([value, value.new_zeros(missing, *value.shape[1:])])
    shares: Tensor = _Gathered.apply(value)
    return torch.cat([share[:number] for share, number in zip(shares, numbers, strict=True)])


class _Gathered(torch.autograd.Function):
    """Stack every process's tensor; backward, add up what every process says of one's own."""

    @staticmethod
    def forward(ctx: FunctionCtx, value: Tensor) -> Tensor:
        value = value.contiguous()
        shares = [torch.empty_like(value) for _ in range(dist.get_world_size())]
        dist.all_gather(shares, value)
        return torch.stack(shares)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total[dist.get_rank()]
