"""The network as it is deployed: with its normalisation in front. Knows torch, not ONNX."""

import copy
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.export.parity import BATCHES, Array


class Exportable(Protocol):
    """What can be exported: `limbeck.models.Model`, or anything with these four."""

    @property
    def module(self) -> nn.Module: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def inputs(self) -> Any: ...  # noqa: D102
    @property
    def classes(self) -> tuple[str, ...] | None: ...  # noqa: D102


class Deployed(nn.Module):
    """A network that takes images in [0, 1] or raw features.

    Args:
        network: the trained network.
        mean: per-channel mean to subtract, broadcastable to one input; ``None`` to leave inputs alone.
        std: what to divide by after that.
        flat: give one value a sample, (N,), as regression does.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, network: nn.Module, mean: Tensor | None = None, std: Tensor | None = None, flat: bool = False
    ):
        super().__init__()
        self.network = network
        self.normalises = mean is not None and std is not None
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.flat = flat

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (N, C), or values (N,)."""
        outputs: Tensor = self.network((inputs - self.mean) / self.std if self.normalises else inputs)
        return outputs.flatten() if self.flat else outputs


class Subject:
    """A model made ready for export: on the processor, in evaluation mode, its shapes known.

    Args:
        model: the model; it is copied, never changed.
        example: a batch as its data gives it, before the model's own input transform.
        task: name of the task it was trained for.
    """

    def __init__(self, model: Exportable, example: Tensor, task: str):
        self.model = model
        module = getattr(
            model.module, "_orig_mod", model.module
        )  # the network inside torch.compile's wrapper
        self.network = copy.deepcopy(module).cpu().float().eval()
        self.kind = _kind(model.inputs)
        self.shape = tuple(self._prepare(_raw(example.cpu(), self.kind)).shape[1:])
        self.task = task
        self.regression = task == "regression"

    def _prepare(self, raw: Tensor) -> Tensor:
        prepared: Tensor = raw if self.model.inputs is None else self.model.inputs(raw)
        return prepared

    def deployed(self) -> Deployed:
        """Return the network with its normalisation in front."""
        mean = std = None
        if self.kind != "tensor":
            ones = (-1, 1, 1) if self.kind == "image" else (-1,)
            mean, std = (
                torch.as_tensor(each, dtype=torch.float32).cpu().reshape(ones)
                for each in (self.model.inputs.mean, self.model.inputs.std)
            )
        return Deployed(self.network, mean, std, flat=self.regression).eval()

    def batches(self) -> list[Array]:
        """Return random inputs: bytes over 255 for images, features as spread as the data's."""
        generator = torch.Generator().manual_seed(0)
        return [self._random(size, generator).numpy() for size in BATCHES]

    def _random(self, size: int, generator: torch.Generator) -> Tensor:
        shape = (size, *self.shape)
        if self.kind == "image":
            return torch.randint(0, 256, shape, generator=generator).float() / 255
        if self.kind == "features":
            mean, std = (
                torch.as_tensor(each).cpu() for each in (self.model.inputs.mean, self.model.inputs.std)
            )
            return (torch.randn(shape, generator=generator) * std + mean).float()
        return torch.rand(shape, generator=generator)

    @torch.no_grad()
    def reference(self, inputs: Array) -> Array:
        """Return what the network answers by the way it was evaluated, which shares nothing with `Deployed`.

        Images go back to bytes and through the model's own input transform.
        """
        outputs = self.network(self._prepare(_raw(torch.from_numpy(inputs), self.kind)))
        if not isinstance(outputs, Tensor):
            raise LimbeckError(
                f"{self.model.name} returns {type(outputs).__name__}, and only a network that returns one "
                "tensor can be exported: wrap it in a module that returns the tensor to deploy."
            )
        answer: Array = (outputs.flatten() if self.regression else outputs).numpy()
        return answer


def _kind(inputs: Any) -> str:
    """Say what the network's inputs are before their transform: images, features, or tensors as they come."""
    kind = "tensor" if inputs is None else getattr(inputs, "kind", type(inputs).__name__)
    if kind not in ("image", "features", "tensor"):
        raise LimbeckError(
            f"Inputs prepared by {kind} cannot be exported, because it cannot be written into the graph: "
            "use InputTransform or Standardise, or export with inputs=None and prepare them outside."
        )
    return str(kind)


def _raw(inputs: Tensor, kind: str) -> Tensor:
    """Return inputs as the data room gives them: images are bytes."""
    if kind == "image" and inputs.is_floating_point():
        return (inputs * 255).round().to(torch.uint8)
    return inputs
