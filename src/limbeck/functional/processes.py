"""What the processes of one training know together."""

import torch
import torch.distributed as dist
from torch import Tensor


def gathered(rows: Tensor) -> Tensor:
    """Return the rows of all processes, in order of rank and without gradient; every process must ask at once.

    Args:
        rows: (n, …); n may differ between processes.

    Example:
        >>> gathered(torch.tensor([[1.0, 2.0]])).tolist()
        [[1.0, 2.0]]
    """
    rows = rows.detach()
    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
        return rows
    own = torch.tensor([len(rows)], device=rows.device)
    counts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, own)
    most = max(int(each) for each in counts)
    padded = torch.cat([rows, rows.new_zeros(most - len(rows), *rows.shape[1:])])
    everyone = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(everyone, padded)
    return torch.cat([each[: int(count)] for each, count in zip(everyone, counts, strict=True)])
