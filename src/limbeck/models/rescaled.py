"""Values on the targets' own scale from a network that works on a standardised one."""

import torch
from torch import Tensor, nn


class Rescaled(nn.Module):
    """Multiply a network's output by ``std`` and add ``mean``.

    A network learns values of the order of one easily and house prices badly; this keeps the network on the
    first scale, and what is deployed on the second.

    Args:
        network: gives standardised values.
        mean: mean of the training targets.
        std: their standard deviation.

    Example:
        >>> import torch
        >>> Rescaled(nn.Identity(), mean=10.0, std=2.0)(torch.tensor([1.0])).tolist()
        [12.0]
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: float, std: float):
        super().__init__()

        self.network = network
        self.register_buffer("mean", torch.tensor(float(mean)))
        self.register_buffer("std", torch.tensor(float(std)))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the network's output on the targets' scale."""
        value: Tensor = self.network(inputs)
        return value * self.std + self.mean
