"""Logits with a fixed vector added: output biases that were corrected after training."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.models.model import Model

SHIFT = "logit_shift"
"""The option of a model's card that holds what is added to its logits."""


class Shifted(nn.Module):
    """Add a fixed vector to a network's logits.

    A network distilled on a transfer set that lacks some classes gives them too little:
    :func:`limbeck.evaluate.bias_shift` finds on validation samples what to add.

    Args:
        network: gives logits (…, C).
        shift: (C,) what is added to each class's logit.

    Raises:
        LimbeckError: not one finite number for each class.

    Example:
        >>> Shifted(nn.Identity(), [0.0, 3.5])(torch.tensor([[1.0, -1.0]])).tolist()
        [[1.0, 2.5]]
    """

    shift: Tensor

    def __init__(self, network: nn.Module, shift: Tensor | Sequence[float]):
        super().__init__()
        values = torch.as_tensor(shift, dtype=torch.float32).detach().clone()
        if values.dim() != 1 or not len(values) or not values.isfinite().all():
            raise LimbeckError(
                f"A shift is one finite number for each class, not {tuple(values.shape)} values such as "
                f"{values.flatten()[:3].tolist()}: give the shift that bias_shift found."
            )
        self.network = network
        self.register_buffer("shift", values)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the network's logits with the shift added."""
        logits: Tensor = self.network(inputs)
        if logits.shape[-1] != len(self.shift):
            raise LimbeckError(
                f"The shift is for {len(self.shift)} classes, but the network gives {logits.shape[-1]}: choose it on "
                "this network's own logits."
            )
        return logits + self.shift


def shifted(model: Model, shift: Tensor | Sequence[float]) -> Model:
    """Return a model whose logits are shifted, and whose card will say so.

    Args:
        model: the model as it is; shares its weights with the one returned.
        shift: (C,) added to the logits, on top of a shift that the model has already.

    Raises:
        LimbeckError: not one finite number for each of the model's classes.

    Example:
        >>> from limbeck.models import open_model
        >>> found = shifted(open_model("mlp:4", outputs=3, shape=(5,)), [0.0, 0.0, 3.5])
        >>> found.options["logit_shift"]
        (0.0, 0.0, 3.5)
    """
    network = model.module
    added = Shifted(network, shift)
    if len(added.shift) != model.outputs:
        raise LimbeckError(
            f"{model.name} has {model.outputs} classes, but the shift is for {len(added.shift)}: choose it on this "
            "model's own logits."
        )
    if isinstance(network, Shifted):
        added = Shifted(network.network, network.shift.cpu() + added.shift)
    options = {**model.options, SHIFT: tuple(added.shift.tolist())}
    return replace(model, module=added.to(network_device(network)), options=options)


def network_device(network: nn.Module) -> torch.device:
    """Return where a network's parameters lie."""
    return next((each.device for each in network.parameters()), torch.device("cpu"))
