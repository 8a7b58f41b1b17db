"""Name a layer, get its tensor."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn

from limbeck.errors import LimbeckError, did_you_mean


class Taps(Mapping[str, Any]):
    """What the tapped layers gave in the last forward; reading a layer that did not run is refused."""

    def __init__(self, at: Mapping[str, str]):
        self._at = dict(at)
        self.calls: dict[str, list[Any]] = {name: [] for name in at}

    def __getitem__(self, name: str) -> Any:
        calls, path = self.calls[name], self._at[name]
        layer, _, which = path.partition("@")
        if not calls:
            raise LimbeckError(f"Layer {layer!r} did not run in this forward: tap one that the model calls.")
        if not which:
            if len(calls) > 1:
                raise LimbeckError(
                    f"Layer {layer!r} ran {len(calls)} times in one forward: say which call, from {layer}@0 "
                    f"to {layer}@{len(calls) - 1}, or {layer}@-1 for the last."
                )
            return calls[0]
        try:
            return calls[int(which)]
        except (ValueError, IndexError):
            raise LimbeckError(
                f"No call {which!r} of layer {layer!r}, which ran {len(calls)} times: count from 0."
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._at)

    def __len__(self) -> int:
        return len(self._at)


def find_layer(model: nn.Module, path: str) -> nn.Module:
    """Return the submodule at ``path``, as ``model.named_modules()`` spells it.

    Args:
        model: where to look.
        path: dotted name, such as ``layer3.1``; what follows an ``@`` (which call) is passed over.

    Raises:
        LimbeckError: no such layer; near names are given.

    Example:
        >>> find_layer(nn.Sequential(nn.ReLU()), "0")
        ReLU()
    """
    layer = path.partition("@")[0]
    known = dict(model.named_modules())
    if layer in known and layer:
        found: nn.Module = known[layer]
        return found
    hint = (
        did_you_mean(layer, known)
        or " Its top layers are: " + ", ".join(n for n, _ in model.named_children()) + "."
    )
    raise LimbeckError(f"{type(model).__name__} has no layer {layer!r}.{hint}")


@contextmanager
def tapped(model: nn.Module, at: Mapping[str, str]) -> Iterator[Taps]:
    """Record what the named layers give while the block runs; the hooks are gone afterwards.

    Args:
        model: any module; it is not changed.
        at: name of the output -> path of the layer; ``path@1`` takes the second of several calls.

    Yields:
        A mapping from name to tensor, to be read after the model ran.

    Raises:
        LimbeckError: a layer that does not exist, did not run, or ran several times with no call chosen.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        >>> with tapped(net, {"hidden": "0"}) as taps:
        ...     _ = net(torch.zeros(4, 2))
        >>> taps["hidden"].shape
        torch.Size([4, 3])
    """
    taps = Taps(at)
    handles = []
    try:
        for name, path in at.items():
            handles.append(find_layer(model, path).register_forward_hook(_recorder(taps.calls[name])))
        yield taps
    finally:
        for handle in handles:
            handle.remove()


def _recorder(calls: list[Any]) -> Callable[[nn.Module, Any, Any], None]:
    def record(module: nn.Module, inputs: Any, output: Any) -> None:
        calls.append(output)

    return record
