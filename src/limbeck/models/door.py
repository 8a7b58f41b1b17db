"""One way to every model: ``open_model("timm:resnet18", …)``."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from limbeck.errors import LimbeckError, did_you_mean
from limbeck.models.model import Model, Request, Size
from limbeck.models.plugin import open_plugin
from limbeck.models.run_door import open_run
from limbeck.models.small import open_small
from limbeck.models.timm_door import open_timm
from limbeck.models.torchvision_door import open_torchvision
from limbeck.models.weights import load_weights

DOORS = ("timm", "torchvision", "run", "mlp", "cnn", "plugin")


def open_model(
    spec: str,
    *,
    outputs: int,
    shape: tuple[int, ...],
    pretrained: bool = False,
    weights: str | Path | None = None,
    size: int | tuple[int, int] | None = None,
    plugins: Sequence[str | Path] = (),
    role: str = "model",
) -> Model:
    """Open the model that ``spec`` names, ready for the data at hand.

    Args:
        spec: ``timm:NAME``, ``torchvision:NAME``, ``run:DIR[#ROLE]``, ``mlp:64-64``, ``cnn:16-32`` or
            ``plugin:FUNCTION``.
        outputs: number of classes, or of values in a regression.
        shape: shape of one raw sample, (C, H, W) or (D,).
        pretrained: use the zoo's trained weights; they are never used unasked.
        weights: a checkpoint (.safetensors, .pt) to fill the network with.
        size: image size to feed, H and W or one for both; by default the cheapest that suits the network and
            the data, or the one pretrained weights were trained at.
        plugins: Python files of the person's own that ``plugin:FUNCTION`` looks in; they are executed.
        role: ``"teacher"``, ``"student"`` or ``"model"``; a teacher must know the data's classes already.

    Returns:
        The model, with the transform that feeds it.

    Raises:
        LimbeckError: the spec names nothing, or what it names does not suit the data.

    Example:
        >>> model = open_model("mlp:8", outputs=1, shape=(5,))
        >>> [name for name, _ in model.module.named_children()]
        ['flatten', 'linear1', 'relu1', 'head']
    """
    kind, colon, name = spec.partition(":")
    if not colon or not name or kind not in DOORS:
        raise _unknown(spec, kind)
    request = Request(outputs, tuple(shape), pretrained, _pair(spec, size), role)
    if weights is not None and (pretrained or kind == "run"):
        already = "its run's" if kind == "run" else "pretrained"
        raise LimbeckError(
            f"{spec} was asked for with {already} weights and with {weights}: give one of the two."
        )
    model = _open(kind, name, request, plugins)
    if weights is None:
        return model
    load_weights(model.module, weights, name=f"{spec} with {outputs} outputs")
    return replace(model, weights=str(weights))


def _pair(spec: str, size: int | tuple[int, int] | None) -> Size | None:
    if size is None:
        return None
    pair = (size, size) if isinstance(size, int) else size
    if min(pair) < 1:
        raise LimbeckError(f"{spec}: a size is given in pixels, 1 or more, not {size}.")
    return pair


def _open(kind: str, name: str, request: Request, plugins: Sequence[str | Path]) -> Model:
    match kind:
        case "timm":
            return open_timm(name, request)
        case "torchvision":
            return open_torchvision(name, request)
        case "run":
            return open_run(name, request, plugins)
        case "plugin":
            return open_plugin(name, request, plugins)
    return open_small(kind, name, request)


def _unknown(spec: str, kind: str) -> LimbeckError:
    ways = "timm:NAME, torchvision:NAME, run:DIR, cnn:16-32, mlp:64-64 or plugin:FUNCTION"
    if spec and Path(spec).is_dir():
        return LimbeckError(f"No model {spec!r}; to use the model of that run, write 'run:{spec}'.")
    if ":" not in spec:
        import timm

        hint = f" Did you mean 'timm:{spec}'?" if timm.is_model(spec) else did_you_mean(spec, DOORS)
        return LimbeckError(f"No model {spec!r}: a model is {ways}.{hint}")
    hint = "" if kind in DOORS else did_you_mean(kind, DOORS)
    return LimbeckError(f"No model {spec!r}: a model is {ways}.{hint}")
