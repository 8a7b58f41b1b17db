"""Run a network once and note what every layer read and gave, without changing it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from limbeck.adapters.forms import Form, Size, form_of
from limbeck.errors import LimbeckError

Key = tuple[int, int]
"""A tensor and how often it had been changed in place: equal keys are the same tensor with the same values."""


@dataclass(eq=False)
class Given:
    """A tensor that a layer read or gave.

    Args:
        path: where to tap it.
        shape: with the batch.
        form: how it is laid out; ``None`` where it is nothing that can be taught.
        key: tells whether two are the same tensor.
        is_output: whether it equals what the whole network gave.
        changed: whether the network changed it in place later on.
    """

    path: str
    shape: tuple[int, ...]
    form: Form | None
    key: Key
    is_output: bool = False
    changed: bool = False

    @property
    def tap(self) -> str:
        """Where to tap it so as to have it unchanged."""
        return f"{self.path}@copy" if self.changed else self.path


@dataclass(eq=False)
class Call:
    """One call of a layer.

    Args:
        path: of the layer, with ``@1`` where it is called several times.
        module: the layer.
        parent: the call that made it.
        began: how many calls had begun before.
        read: the first tensor it read.
        gave: the tensors it gave: one, or one for each part.
        children: the calls that it made.
        weighted: how many layers with a weight matrix had run when it ended.
    """

    path: str
    module: nn.Module
    parent: "Call | None"
    began: int
    read: Given | None = None
    gave: list[Given] = field(default_factory=list)
    children: list["Call"] = field(default_factory=list)
    weighted: int = 0

    @cached_property
    def matrices(self) -> int:
        """Weight matrices and kernels in the layer and all it is made of."""
        return sum(_is_matrix(each) for each in self.module.parameters())

    @property
    def has_own_matrix(self) -> bool:
        """Whether it is a layer with weights rather than a composition of such layers."""
        if self.children:
            return False
        # A head with one output has a row, no matrix.
        plain = isinstance(self.module, nn.Linear | nn.modules.conv._ConvNd)
        return plain or any(_is_matrix(each) for each in self.module.parameters(recurse=False))


@dataclass
class Probe:
    """What one forward of a network showed.

    Args:
        name: of the network, for messages.
        calls: in the order in which they ended; the last is the network's own.
        image: (H, W) of the image it read, or ``None``.
        output: its logits.
        grids: (H, W) of the maps that it made.
        prefix: tokens that it puts before patches, where it says so.
    """

    name: str
    calls: list[Call]
    image: Size | None
    output: Given
    grids: list[Size]
    prefix: int | None

    @property
    def root(self) -> Call:
        """The call of the network itself."""
        return self.calls[-1]

    def form(self, shape: tuple[int, ...]) -> Form | None:
        """Return how a tensor of ``shape`` (with the batch) of this network is laid out."""
        return form_of(shape, self.image, self.grids, self.prefix)


def probe(network: nn.Module, example: Any) -> Probe:
    """Run ``network`` on ``example`` in eval mode, without gradient, and leave it as it was.

    Args:
        network: any module.
        example: what it reads.

    Raises:
        LimbeckError: it does not run on the example, or gives no tensor.

    Example:
        >>> seen = probe(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), torch.zeros(1, 2))
        >>> [(call.path, call.gave[0].shape) for call in seen.calls]
        [('0', (1, 3)), ('1', (1, 3)), ('', (1, 3))]
    """
    recorder = _Recorder(network, example)
    with _as_it_was(network), torch.no_grad():
        output = recorder.run()
        return recorder.seen(output)


class _Recorder:
    def __init__(self, network: nn.Module, example: Any):
        self.network, self.example = network, example
        images = [(each.shape[2], each.shape[3]) for each in _tensors(example) if each.dim() == 4]
        self.image = images[0] if images else None
        prefix = getattr(network, "num_prefix_tokens", None)  # timm's transformers say so themselves
        self.prefix = prefix if isinstance(prefix, int) else None
        self.calls: list[Call] = []
        self.open: list[Call] = []
        self.begun = self.weighted = 0
        self.grids: list[Size] = []
        # Tensors are kept until the end, so that no two have one identity.
        self.kept: list[tuple[Given, Tensor]] = []

    def run(self) -> Tensor:
        handles = []
        try:
            for path, module in self.network.named_modules():
                handles += [
                    module.register_forward_pre_hook(self._begin(path), with_kwargs=True, prepend=True),
                    module.register_forward_hook(self._end),
                ]
            result = self.network(self.example)
        except (
            RuntimeError,
            ValueError,
            TypeError,
            IndexError,
            AssertionError,
            KeyError,
            AttributeError,
        ) as error:
            shapes = ", ".join(str(tuple(each.shape)) for each in _tensors(self.example)) or "no tensor"
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise LimbeckError(
                f"{type(self.network).__name__} does not run on an example of shape {shapes}: {first}"
            ) from error
        finally:
            for handle in handles:
                handle.remove()
        found = _logits(result)
        if found is None:
            raise LimbeckError(
                f"{type(self.network).__name__} gives a {type(result).__name__} without a tensor: give a network that "
                "returns its logits."
            )
        return found

    def seen(self, output: Tensor) -> Probe:
        flat = output.flatten()
        for given, tensor in self.kept:
            given.changed = _version(tensor) != given.key[1]
            given.is_output = tensor is output or (
                tensor.numel() == flat.numel() and torch.equal(tensor.flatten(), flat)
            )
        self._number_repeated()
        last = Given("", tuple(output.shape), form_of(tuple(output.shape), None), _key(output), True)
        self.kept.clear()
        return Probe(type(self.network).__name__, self.calls, self.image, last, self.grids, self.prefix)

    def _number_repeated(self) -> None:
        by_path: dict[str, list[Call]] = {}
        for call in self.calls:
            by_path.setdefault(call.path, []).append(call)
        for several in by_path.values():
            for number, call in enumerate(sorted(several, key=lambda each: each.began)):
                if len(several) > 1:
                    call.path += f"@{number}"
                    for each in [*call.gave, *([call.read] if call.read else [])]:
                        each.path += f"@{number}"

    def _begin(self, path: str) -> Any:
        def begin(module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
            call = Call(path, module, self.open[-1] if self.open else None, self.begun)
            self.begun += 1
            first = inputs[0] if inputs else next(iter(named.values()), None)
            for tensor in list(_tensors(first))[:1]:
                call.read = self._given(f"{path}@in", tensor)
            self.open.append(call)

        return begin

    def _end(self, module: nn.Module, inputs: Any, output: Any) -> None:
        call = self.open.pop()
        self.weighted += call.has_own_matrix
        call.weighted = self.weighted
        if self.image is None and isinstance(module, nn.Conv2d) and inputs and isinstance(inputs[0], Tensor):
            self.image = (inputs[0].shape[-2], inputs[0].shape[-1])  # made by the network of something else
        call.gave = [self._given(f"{call.path}{part}", tensor) for part, tensor in _parts(output)]
        if call.parent is not None:
            call.parent.children.append(call)
        self.calls.append(call)

    def _given(self, path: str, tensor: Tensor) -> Given:
        shape = tuple(tensor.shape)
        form = form_of(shape, self.image, self.grids, self.prefix)
        if form is not None and form.kind in ("map", "map, channels last") and form.size not in self.grids:
            self.grids.append(form.size)
        given = Given(path, shape, form, _key(tensor))
        self.kept.append((given, tensor))
        return given


@contextmanager
def _as_it_was(network: nn.Module) -> Iterator[None]:
    """Put the network in eval mode; restore modes, buffers and the random numbers afterwards."""
    modes = {module: module.training for module in network.modules()}
    buffers = [(each, each.clone()) for each in network.buffers()]
    devices = sorted({each.device.index or 0 for each in network.parameters() if each.device.type == "cuda"})
    try:
        with torch.random.fork_rng(devices=devices):
            network.eval()
            yield
    finally:
        network.train(modes[network])  # some networks drop what they keep for eval when told to train
        for module, mode in modes.items():
            module.training = mode
        with torch.no_grad():
            for buffer, before in buffers:
                if not torch.equal(buffer, before):
                    buffer.copy_(before)


def _is_matrix(weight: Tensor) -> bool:
    return sum(side > 1 for side in weight.shape) > 1


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _tensors(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _tensors(each)


def _parts(output: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors that a layer gave, each with what a tap adds to the layer's name."""
    if isinstance(output, Tensor):
        yield "", output
        return
    items: Any = ()
    if isinstance(output, Mapping):
        items = output.items()
    elif isinstance(output, list | tuple):
        items = enumerate(output)
    for name, each in items:
        if isinstance(each, Tensor):
            yield f"@out.{name}", each


def _logits(result: Any) -> Tensor | None:
    if isinstance(result, Mapping) and isinstance(result.get("logits"), Tensor):
        logits: Tensor = result["logits"]
        return logits
    return next(_tensors(result), None)


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


def _key(tensor: Tensor) -> Key:
    return id(tensor), _version(tensor)
