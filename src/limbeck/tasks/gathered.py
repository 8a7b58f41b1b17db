"""Rows kept by a metric that judges more than one sample at once."""

from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


class Gathered(Metric):
    """The index and the values of every sample seen, of all processes together.

    Example:
        >>> import torch
        >>> gathered = Gathered()
        >>> gathered.update(torch.tensor([4, 2]), torch.zeros(2, 3))
        >>> [tuple(each.shape) for each in gathered.compute()]
        [(2,), (2, 3)]
    """

    full_state_update = False
    index: list[Tensor]
    values: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("index", default=[], dist_reduce_fx="cat")
        self.add_state("values", default=[], dist_reduce_fx="cat")

    def update(self, index: Tensor, values: Tensor) -> None:
        """Take in the samples ``index`` (N,) with ``values`` (N, …)."""
        self.index.append(index)
        self.values.append(values)

    def compute(self) -> tuple[Tensor, Tensor]:
        """Return all indices and their values, in the order of the processes."""
        return dim_zero_cat(self.index), dim_zero_cat(self.values)
