"""The door to torchvision's classifiers: ``torchvision:NAME``."""

from functools import partial
from typing import Any

from torch import nn

from limbeck.data.transforms import InputTransform
from limbeck.errors import LimbeckError, did_you_mean
from limbeck.models.model import Model, Request, Size
from limbeck.models.refusals import cannot_fetch, refuse_features, refuse_other_classes
from limbeck.models.sizing import candidates, fitting, patch_size, trial

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # what torchvision trains with
AUXILIARY = ("googlenet", "inception_v3")  # have heads for training only, which return tuples
CHANNELS = 3  # torchvision's networks have a colour stem; grey images are repeated for them


def open_torchvision(name: str, request: Request) -> Model:
    """Open a torchvision classifier, by default freshly initialised and at the cheapest size that suits.

    Args:
        name: torchvision's name, ``"resnet18"``.
        request: what the network is for.

    Raises:
        LimbeckError: torchvision has no such classifier, the data is not grey or colour images, the size
            does not suit it, the weights cannot be fetched, or a pretrained teacher has other classes.
    """
    spec = f"torchvision:{name}"
    _check_name(name)
    refuse_features(spec, request)
    if request.channels not in (1, CHANNELS):
        raise LimbeckError(
            f"{spec} reads images of 3 channels and the data has {request.channels}: use a timm or cnn "
            "model, which take any number."
        )
    if request.pretrained:
        return _pretrained(name, spec, request)
    size, options = _sized(name, spec, request)
    options = {"num_classes": request.outputs, **options}
    return Model(
        module=build_torchvision(name, options),
        name=spec,
        inputs=InputTransform(size=size, channels=CHANNELS, mean=MEAN, std=STD),
        outputs=request.outputs,
        shape=request.shape,
        options=options,
    )


def build_torchvision(name: str, options: dict[str, Any]) -> nn.Module:
    """Build the network from exactly these options, freshly initialised."""
    from torchvision.models import get_model

    _check_name(name)
    if "image_size" in options:
        options = {**options, "image_size": options["image_size"][0]}
    if name in AUXILIARY:
        options = {**options, "aux_logits": False, "init_weights": True}
    module: nn.Module = get_model(name, weights=None, **options)
    return module


def _check_name(name: str) -> None:
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise LimbeckError(f"torchvision has no classifier {name!r}.{did_you_mean(name, known)}")


def _sized(name: str, spec: str, request: Request) -> tuple[Size, dict[str, Any]]:
    build = partial(_with_size, name, request.outputs)
    sizes = (
        [request.size] if request.size else _square(candidates(request.native, patch_size(build), _own(name)))
    )
    return fitting(spec, build, "image_size", sizes, channels=CHANNELS, outputs=request.outputs)


def _with_size(name: str, outputs: int, image_size: Size | None = None) -> nn.Module:
    options = {} if image_size is None else {"image_size": image_size}
    return build_torchvision(name, {"num_classes": outputs, **options})


def _square(sizes: list[Size]) -> list[Size]:
    return [(max(size), max(size)) for size in sizes]


def _own(name: str) -> Size:
    from torchvision.models import get_model_weights

    crop = next(iter(get_model_weights(name))).transforms().crop_size[0]
    return crop, crop


def _pretrained(name: str, spec: str, request: Request) -> Model:
    from torchvision.models import get_model, get_model_weights

    weights = get_model_weights(name).DEFAULT
    classes = tuple(weights.meta["categories"])
    refuse_other_classes(spec, len(classes), request)
    size: Size = request.size or (weights.transforms().crop_size[0],) * 2
    reason = trial(partial(_with_size, name, request.outputs), {}, CHANNELS, size, request.outputs)
    if reason is not None:
        raise LimbeckError(
            f"The pretrained {spec} does not take images of {size[0]}×{size[1]} pixels ({reason}): "
            "leave the size out."
        )
    try:
        module = get_model(name, weights=weights, **({"aux_logits": False} if name == "inception_v3" else {}))
    except Exception as error:
        raise cannot_fetch(spec, error) from error
    same = len(classes) == request.outputs and request.role == "teacher"
    if not same:
        replace_head(module, len(classes), request.outputs)
    options: dict[str, Any] = {"num_classes": request.outputs}
    if name in AUXILIARY:  # with trained weights these two normalise once more, inside
        options["transform_input"] = module.transform_input
    return Model(
        module=module,
        name=spec,
        inputs=InputTransform(size=size, channels=CHANNELS, mean=MEAN, std=STD),
        weights=f"{spec} pretrained ({weights.name})",
        classes=classes if same else None,
        outputs=request.outputs,
        shape=request.shape,
        options=options,
    )


def replace_head(module: nn.Module, before: int, after: int) -> None:
    """Put a fresh head for ``after`` classes where the last layer for ``before`` classes is.

    Args:
        module: the network, changed in place.
        before: classes its head tells apart.
        after: classes to tell apart.

    Raises:
        LimbeckError: no linear or convolutional layer has ``before`` outputs.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 1000))
        >>> replace_head(net, 1000, 10)
        >>> net[1].out_features
        10
    """
    for name, layer in reversed(list(module.named_modules())):
        fresh: nn.Module
        if isinstance(layer, nn.Linear) and layer.out_features == before:
            fresh = nn.Linear(layer.in_features, after, bias=layer.bias is not None)
        elif isinstance(layer, nn.Conv2d) and layer.out_channels == before:
            fresh = nn.Conv2d(layer.in_channels, after, 1)
        else:
            continue
        parent, _, child = name.rpartition(".")
        setattr(module.get_submodule(parent), child, fresh)
        return
    raise LimbeckError(
        f"{type(module).__name__} has no last layer with {before} outputs that could be replaced."
    )
