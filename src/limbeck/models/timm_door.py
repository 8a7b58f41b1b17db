"""The door to timm's networks: ``timm:NAME``."""

from functools import partial
from typing import Any

from torch import nn

from limbeck.data.transforms import InputTransform
from limbeck.errors import LimbeckError, did_you_mean
from limbeck.models.model import GREY_MEAN, GREY_STD, Model, Request, Size
from limbeck.models.refusals import cannot_fetch, refuse_features, refuse_other_classes
from limbeck.models.sizing import candidates, fitting, patch_size


def open_timm(name: str, request: Request) -> Model:
    """Open a timm network, by default freshly initialised and at the cheapest size that suits the data.

    Args:
        name: timm's name, with or without a weights tag: ``"resnet18"``, ``"resnet18.a1_in1k"``.
        request: what the network is for.

    Raises:
        LimbeckError: timm has no such network or weights, the size does not suit it, the weights cannot be
            fetched, or a pretrained teacher has another number of classes.
    """
    settings = _settings(name)
    refuse_features(f"timm:{name}", request)
    if request.pretrained:
        return _pretrained(name, settings, request)
    size, options = _sized(name, settings, request, request.channels)
    options = {"num_classes": request.outputs, "in_chans": request.channels, **options}
    return Model(
        module=build_timm(name, options),
        name=f"timm:{name}",
        inputs=_inputs(size, request.channels, settings),
        outputs=request.outputs,
        shape=request.shape,
        options=options,
    )


def build_timm(name: str, options: dict[str, Any]) -> nn.Module:
    """Build the network from exactly these options, freshly initialised."""
    import timm

    _settings(name)
    module: nn.Module = timm.create_model(name, pretrained=False, **options)
    return module


def _settings(name: str) -> Any:
    """Return timm's own record of the network (input size, normalisation, weights); check the name."""
    import timm

    bare, _, tag = name.partition(".")
    if not timm.is_model(bare):
        raise LimbeckError(f"timm has no model {bare!r}.{did_you_mean(bare, timm.list_models())}")
    settings = _registered(name)
    if settings is None and tag:
        tags = [each.partition(".")[2] for each in timm.list_pretrained(f"{bare}.*")]
        known = ", ".join(tags) or "none"
        raise LimbeckError(
            f"timm:{bare} has no weights {tag!r} (there are: {known}).{did_you_mean(tag, tags)}"
        )
    if settings is None:
        raise LimbeckError(f"timm does not say what timm:{name} reads: open it through --plugin instead.")
    return settings


def _registered(name: str) -> Any:
    import timm

    try:
        return timm.get_pretrained_cfg(name)
    except RuntimeError:
        return None


def _sized(name: str, settings: Any, request: Request, channels: int) -> tuple[Size, dict[str, Any]]:
    import timm

    build = partial(timm.create_model, name, num_classes=request.outputs, in_chans=channels)
    patch = patch_size(build)
    own: Size = tuple(settings.input_size[-2:])
    if request.size is None:
        sizes = candidates(request.native, patch, own)
    else:
        _check_patches(name, request.size, patch)
        sizes = [request.size]
    return fitting(f"timm:{name}", build, "img_size", sizes, channels=channels, outputs=request.outputs)


def _check_patches(name: str, size: Size, patch: Size | None) -> None:
    """Refuse a size of which timm would cut off the edge in silence."""
    if patch and (size[0] % patch[0] or size[1] % patch[1]):
        raise LimbeckError(
            f"timm:{name} cuts images into patches of {patch[0]}×{patch[1]} pixels, and {size[0]}×{size[1]} "
            "is no multiple of that: ask for a size that is."
        )


def _pretrained(name: str, settings: Any, request: Request) -> Model:
    import timm

    spec = f"timm:{name}"
    if not settings.has_weights:
        raise LimbeckError(
            f"timm has no pretrained weights for {spec}: leave pretrained out to train it here."
        )
    refuse_other_classes(spec, settings.num_classes, request)
    channels = 3 if request.channels in (1, 3) else request.channels
    options: dict[str, Any] = {"num_classes": request.outputs, "in_chans": channels}
    size: Size = tuple(settings.input_size[-2:])
    if request.size is not None and request.size != size:
        size, extra = _sized(name, settings, request, channels)
        options.update(extra)
    try:
        module = timm.create_model(name, pretrained=True, **options)
    except Exception as error:
        raise cannot_fetch(spec, error) from error
    return Model(
        module=module,
        name=spec,
        inputs=_inputs(size, channels, settings),
        weights=f"{spec} pretrained ({settings.architecture}.{settings.tag})",
        outputs=request.outputs,
        shape=request.shape,
        options=options,
    )


def _inputs(size: Size, channels: int, settings: Any) -> InputTransform:
    """Return timm's own normalisation for colour, and pixels to -1..1 for any other number of channels."""
    if len(settings.mean) == channels:
        return InputTransform(
            size=size, channels=channels, mean=tuple(settings.mean), std=tuple(settings.std)
        )
    return InputTransform(
        size=size, channels=channels, mean=(GREY_MEAN,) * channels, std=(GREY_STD,) * channels
    )
