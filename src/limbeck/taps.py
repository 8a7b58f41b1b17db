"""Name a layer, get its tensor."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from limbeck.errors import LimbeckError

FEW = 5
"""How many near names are offered for one that does not exist."""


@dataclass(frozen=True)
class Tap:
    """What to read at a layer; :func:`read_tap` makes it from ``layer3.1@in@0``.

    Args:
        layer: dotted name of the layer.
        side: ``"out"``, what it gives, or ``"in"``, its first input.
        part: which element or key of several outputs, or which of several inputs, from 0.
        call: which of several calls in one forward, from 0, or from -1 backwards.
        copy: keep a copy, for a tensor that the model changes in place later.
    """

    layer: str
    side: str = "out"
    part: str | None = None
    call: int | None = None
    copy: bool = False


def read_tap(path: str) -> Tap:
    """Read where to tap: a layer's name and, after ``@``, what of it, in any order.

    ``fc`` is what the layer gives; ``fc@in`` its first input; ``fc@1`` what its second call gives (``@-1``: the
    last); ``block@out.0`` the first of several outputs; ``bn1@copy`` a copy, taken before the model changes the
    tensor in place. They combine: ``fc@in@0``.

    Args:
        path: the layer's dotted name and what follows it.

    Raises:
        LimbeckError: something else after ``@``.

    Example:
        >>> read_tap("layer3.1@in@0")
        Tap(layer='layer3.1', side='in', part=None, call=0, copy=False)
    """
    layer, *marks = path.split("@")
    side, part, call, copy = "out", None, None, False
    for mark in marks:
        head, dot, rest = mark.partition(".")
        if head in ("in", "out") and bool(dot) == bool(rest):
            side, part = head, rest or None
        elif mark == "copy":
            copy = True
        elif mark.removeprefix("-").isdecimal():
            call = int(mark)
        else:
            raise LimbeckError(
                f"{path!r} says {'@' + mark!r} of layer {layer!r}, which is none of @in (its first input), "
                "@out.0 (the first of several outputs), @1 (its second call) and @copy (before a change in place)."
            )
    return Tap(layer, side, part, call, copy)


class Taps(Mapping[str, Any]):
    """What the tapped layers gave in the last forward; reading a layer that did not run is refused."""

    def __init__(self, at: Mapping[str, str]):
        self._paths = dict(at)
        self._taps = {name: read_tap(path) for name, path in at.items()}
        self._calls: dict[str, list[_Call]] = {name: [] for name in at}

    def __getitem__(self, name: str) -> Any:
        path, tap, calls = self._paths[name], self._taps[name], self._calls[name]
        if not calls:
            raise LimbeckError(
                f"Layer {tap.layer!r} did not run in this forward: tap one that the model calls."
            )
        if tap.call is None and len(calls) > 1:
            raise LimbeckError(
                f"Layer {tap.layer!r} ran {len(calls)} times in one forward: say which call, from {path}@0 "
                f"to {path}@{len(calls) - 1}, or {path}@-1 for the last."
            )
        if tap.call is not None and not -len(calls) <= tap.call < len(calls):
            raise LimbeckError(
                f"No call {tap.call} of layer {tap.layer!r}, which ran {len(calls)} times: count from 0."
            )
        call = calls[tap.call or 0]
        if call.changed:
            raise LimbeckError(
                f"What {path!r} names was changed in place later in the forward (by an inplace activation or +=): "
                f"tap {path}@copy to have it as it was, or the layer that changed it to have what became of it."
            )
        return call.value

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def _hook(self, model: nn.Module) -> Iterator[RemovableHandle]:
        for name, tap in self._taps.items():
            layer, calls = find_layer(model, self._paths[name]), self._calls[name]
            if tap.side == "out":
                yield layer.register_forward_hook(_output_recorder(tap, calls))
            else:
                # What an inplace layer reads is gone once it has run.
                copy = tap.copy or getattr(layer, "inplace", False) is True
                yield layer.register_forward_pre_hook(_input_recorder(tap, calls, copy), with_kwargs=True)


def find_layer(model: nn.Module, path: str) -> nn.Module:
    """Return the submodule at ``path``, as ``model.named_modules()`` spells it.

    Args:
        model: where to look.
        path: dotted name, such as ``layer3.1``; what follows an ``@`` is passed over.

    Raises:
        LimbeckError: no such layer; a few near names are given.

    Example:
        >>> find_layer(nn.Sequential(nn.ReLU()), "0")
        ReLU()
    """
    layer = path.partition("@")[0]
    try:
        if layer or path.startswith("@"):  # "@in" is what goes into the whole network
            return model.get_submodule(layer)
    except AttributeError:
        pass
    near = _near(layer, [name for name, _ in model.named_modules() if name])
    top = ", ".join(name for name, _ in model.named_children())
    hint = f"Did you mean {near}?" if near else f"Its top layers are: {top or 'none'}."
    raise LimbeckError(f"{type(model).__name__} has no layer {layer!r}. {hint}")


@contextmanager
def tapped(model: nn.Module, at: Mapping[str, str]) -> Iterator[Taps]:
    """Record what the named layers give while the block runs; the hooks are gone afterwards.

    Nothing is copied unless asked for with ``@copy``, or needed for what an inplace layer reads.

    Args:
        model: any module; it is not changed.
        at: name of the output -> where to tap, as :func:`read_tap` reads it.

    Yields:
        A mapping from name to tensor, to be read after the model ran.

    Raises:
        LimbeckError: a layer that does not exist, did not run, ran several times with no call chosen, or whose
            tensor was changed in place after it was given.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        >>> with tapped(net, {"hidden": "0", "input": "0@in"}) as taps:
        ...     _ = net(torch.zeros(4, 2))
        >>> taps["hidden"].shape, taps["input"].shape
        (torch.Size([4, 3]), torch.Size([4, 2]))
    """
    taps = Taps(at)
    handles = []
    try:
        for handle in taps._hook(model):
            handles.append(handle)
        yield taps
    finally:
        for handle in handles:
            handle.remove()


class _Call:
    """What was given once, and the versions of its tensors then: torch counts their changes in place."""

    __slots__ = ("_versions", "value")

    def __init__(self, value: Any):
        self.value = value
        self._versions = _versions(value)

    @property
    def changed(self) -> bool:
        return _versions(self.value) != self._versions


def _versions(value: Any) -> list[int]:
    if isinstance(value, Tensor):
        return [] if value.is_inference() else [value._version]  # under inference_mode torch does not count
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return []
    return [version for each in value for version in _versions(each)]


def _output_recorder(tap: Tap, calls: list[_Call]) -> Callable[[nn.Module, Any, Any], None]:
    def record(module: nn.Module, inputs: Any, output: Any) -> None:
        value = output if tap.part is None else _part(tap, output)
        calls.append(_Call(_copied(value) if tap.copy else value))

    return record


def _input_recorder(
    tap: Tap, calls: list[_Call], copy: bool
) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
    def record(module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        value = inputs[0] if inputs and tap.part is None else _part(tap, (*inputs, *named.values()))
        calls.append(_Call(_copied(value) if copy else value))

    return record


def _part(tap: Tap, whole: Any) -> Any:
    part = tap.part or "0"
    if isinstance(whole, Mapping) and part in whole:
        return whole[part]
    if isinstance(whole, list | tuple) and part.isdecimal() and int(part) < len(whole):
        return whole[int(part)]
    if isinstance(whole, Tensor):
        found = f"one tensor {tuple(whole.shape)}"
    elif isinstance(whole, Mapping):
        found = f"the parts {', '.join(map(str, whole))}"
    else:
        found = f"{len(whole)} parts" if isinstance(whole, list | tuple) else type(whole).__name__
    verb = "gives" if tap.side == "out" else "is given"
    raise LimbeckError(
        f"Layer {tap.layer!r} {verb} {found}, and no part {part!r}: leave it out or take one there is."
    )


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, Mapping):
        return {key: _copied(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(each) for each in value]
    return value


def _near(layer: str, known: list[str]) -> str:
    """Return a few names like ``layer``: spelt alike, or alike but for what stands before them."""
    kin = [each for each in known if layer and (each.endswith(f".{layer}") or layer.endswith(f".{each}"))]
    alike = difflib.get_close_matches(layer, known, n=FEW, cutoff=0.6)
    names = [repr(each) for each in dict.fromkeys([*alike, *kin])][:FEW]
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
