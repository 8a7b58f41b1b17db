"""Classifiers on a network's shallow layers, for training only."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from limbeck.adapters import Pool
from limbeck.adapters.forms import Form, Size
from limbeck.adapters.probe import Probe, probe
from limbeck.adapters.stages import Anatomy, anatomy
from limbeck.errors import LimbeckError
from limbeck.taps import tapped

MOST = 3
"""Shallow layers chosen where none are named: three of the four stages of common networks."""
NARROW = 16
"""Narrowest bottleneck, unless the features are narrower still."""


class AuxiliaryHead(nn.Module):
    """Bring a shallow layer to the width of the deepest features by a bottleneck, and classify from there.

    On maps: convolution 1×1 to a quarter of the width, one as large as its stride down to the deepest map's size,
    and 1×1 to the width, with BatchNorm after each and ReLU between; then the mean over places. Tokens and sequences
    are averaged first; they and vectors go through two linear layers with LayerNorm and GELU between.

    Args:
        form: how the shallow layer's tensor is laid out.
        width: of the deepest features.
        outputs: numbers that the network gives for each sample, such as one for each class.
        size: (H, W) of the deepest map.

    Shape:
        the layer's tensor -> features (N, width) and outputs (N, outputs).

    Example:
        >>> head = AuxiliaryHead(Form("map", 8, (16, 16)), width=32, outputs=10, size=(4, 4))
        >>> [tuple(each.shape) for each in head(torch.zeros(2, 8, 16, 16))]
        [(2, 32), (2, 10)]
    """

    def __init__(self, form: Form, width: int, outputs: int, size: Size = (1, 1)):
        super().__init__()
        narrow = max(width // 4, min(width, NARROW))
        on_maps = form.kind in ("map", "map, channels last")
        self.bottleneck = _of_maps(form, narrow, width, size) if on_maps else _of_vectors(form, narrow, width)
        self.classifier = nn.Linear(width, outputs)

    def forward(self, layer: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features and what is made of them."""
        features = self.bottleneck(layer)
        return features, self.classifier(features)


@dataclass(frozen=True)
class Auxiliary:
    """Heads for a network, and where its own features are.

    Args:
        heads: one for each shallow layer, by the layer's path.
        deepest: where to tap the deepest features.
        pooled: brings these to vectors.
    """

    heads: dict[str, nn.Module]
    deepest: str
    pooled: nn.Module


def auxiliary(
    network: nn.Module,
    layers: Sequence[str] | None,
    example: Any,
    features: str | None = None,
    heads: Sequence[nn.Module] | None = None,
) -> Auxiliary:
    """Return a head for each shallow layer, of the sizes that the network shows on ``example``.

    Args:
        network: is run in eval mode and left as it was.
        layers: shallow layers, as taps spell them; ``None`` takes the ends of up to three stages before the last.
        example: a batch of one sample or more, as the network reads it.
        features: the layer of the deepest features; what the classifier reads unless told.
        heads: heads to use instead of new ones: each gives features (N, D) and outputs for its layer's tensor.

    Raises:
        LimbeckError: no such layers; layers from which nothing could be classified; heads that do not fit.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
        >>> found = auxiliary(net, ["1"], torch.zeros(1, 3, 8, 8))
        >>> list(found.heads), found.deepest
        (['1'], '4@in')
    """
    body = anatomy(probe(network, example))
    deepest = _deepest(body, features)
    names = _usual(body) if layers is None else list(layers)
    if layers is None and not names:
        raise LimbeckError(
            f"BeYourOwnTeacher finds no stage before the last in {body.name} to put a head on: name shallow layers in "
            "scheme.layers, as `limbeck layers` shows them."
        )
    if isinstance(layers, str) or not names or len(set(names)) < len(names):
        raise LimbeckError(
            f"BeYourOwnTeacher puts heads on shallow layers of {body.name}: give a list of their names, each once, as "
            "`limbeck layers` shows them."
        )
    with tapped(network, {name: name for name in [*names, deepest]}) as taps:
        seen = probe(network, example)
    forms = {name: _form(seen, name, taps[name]) for name in [*names, deepest]}
    width, outputs = forms[deepest].channels, prod(body.output.shape[1:])
    if heads is None:
        size = body.maps[-1].form.size if body.maps else (1, 1)
        heads = [AuxiliaryHead(forms[name], width, outputs, size) for name in names]
    if len(heads) != len(names):
        raise LimbeckError(
            f"BeYourOwnTeacher takes one head for each of {len(names)} layers, not {len(heads)} heads."
        )
    for name, head in zip(names, heads, strict=True):
        _refuse_misfit(name, head, taps[name], width, outputs)
    return Auxiliary(
        dict(zip(names, heads, strict=True)), deepest, forms[deepest].to_vector() or nn.Identity()
    )


def _deepest(body: Anatomy, features: str | None) -> str:
    if features is not None:
        return features
    if body.embedding is None:
        raise LimbeckError(
            f"{body.name} shows no layer that classifies: name the layer of its deepest features by features='…'."
        )
    return body.embedding.tap


def _usual(body: Anatomy) -> list[str]:
    """Return the ends of up to three stages or blocks before the last, evenly spaced."""
    shallow = [spot.tap for spot in body.maps[:-1]]
    count = min(MOST, len(shallow))
    return [shallow[round((number + 1) * len(shallow) / count) - 1] for number in range(count)]


def _form(seen: Probe, name: str, value: Any) -> Form:
    form = seen.form(tuple(value.shape)) if isinstance(value, Tensor) else None
    if form is None:
        given = f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise LimbeckError(
            f"Layer {name!r} of {seen.name} gives {given}, from which nothing can be classified: name one that gives "
            "maps (N, C, H, W), tokens (N, L, D) or vectors (N, D)."
        )
    return form


def _refuse_misfit(name: str, head: nn.Module, layer: Tensor, width: int, outputs: int) -> None:
    """Run a head once in eval mode, and refuse what it gives when that is not what is compared."""
    mode = head.training
    with torch.no_grad():
        given = head.eval()(layer)
    head.train(mode)
    tensors = list(given) if isinstance(given, tuple | list) else [given]
    wanted = [(len(layer), width), (len(layer), outputs)]
    shapes = [tuple(each.shape) if isinstance(each, Tensor) else type(each).__name__ for each in tensors]
    if shapes != wanted:
        raise LimbeckError(
            f"The head on {name!r} gives {shapes}, but must give the features and the outputs of each sample, {wanted}."
        )


def _of_maps(form: Form, narrow: int, width: int, size: Size) -> nn.Module:
    strides = max(form.size[0] // size[0], 1), max(form.size[1] // size[1], 1)
    shrinking = [nn.Conv2d(narrow, narrow, strides, strides, bias=False), nn.BatchNorm2d(narrow), nn.ReLU()]
    return nn.Sequential(
        form.to_map() or nn.Identity(),
        nn.Conv2d(form.channels, narrow, 1, bias=False),
        nn.BatchNorm2d(narrow),
        nn.ReLU(),
        *(shrinking if strides != (1, 1) else ()),
        nn.Conv2d(narrow, width, 1, bias=False),
        nn.BatchNorm2d(width),
        Pool(),
    )


def _of_vectors(form: Form, narrow: int, width: int) -> nn.Module:
    return nn.Sequential(
        form.to_vector() or nn.Identity(),
        nn.Linear(form.channels, narrow),
        nn.LayerNorm(narrow),
        nn.GELU(),
        nn.Linear(narrow, width),
    )
