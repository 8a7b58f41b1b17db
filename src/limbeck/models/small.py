"""The few small nets of our own, for small images and for tables of features."""

import math
from collections import OrderedDict
from urllib.parse import parse_qsl

from torch import nn

from limbeck.data.transforms import InputTransform, Standardise
from limbeck.errors import LimbeckError, did_you_mean
from limbeck.models.model import GREY_MEAN, GREY_STD, Inputs, Model, Request
from limbeck.models.refusals import refuse_pretrained

KEEP_RESOLUTION_BELOW = 48  # pixels; a first stage with stride 2 would leave a digit of 8x8 with too little

Settings = dict[str, float]


def mlp(
    widths: tuple[int, ...],
    outputs: int,
    shape: tuple[int, ...],
    dropout: float = 0.0,
    input_dropout: float = 0.0,
    bottleneck: int | None = None,
) -> nn.Sequential:
    """Build a multilayer perceptron with ReLU, whose layers are ``linear1``, ``relu1``, …, ``head``.

    With ``bottleneck=k`` a linear layer of k units, ``bottleneck``, comes first: the first weight matrix W becomes
    the product U·V of two narrow ones, (width, k) and (k, inputs). A shallow wide net then has far fewer parameters
    and learns faster (Ba, Caruana 2014, "Do Deep Nets Really Need to be Deep?", arXiv 1312.6184). That layer has no
    ReLU, dropout or bias: what its bias could add, ``linear1``'s does.

    Args:
        widths: units of each hidden layer.
        outputs: classes or values.
        shape: shape of one sample, (D,) or (C, H, W), which is flattened.
        dropout: probability of dropping a hidden unit.
        input_dropout: probability of dropping an input.
        bottleneck: rank of the first weight matrix; ``None`` leaves it whole.

    Returns:
        A module from (N, *shape) to (N, outputs).

    Raises:
        LimbeckError: a bottleneck that is no narrower than what lies on its two sides.

    Example:
        >>> import torch
        >>> mlp((8, 4), outputs=3, shape=(1, 5, 5))(torch.zeros(2, 1, 5, 5)).shape
        torch.Size([2, 3])
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    if input_dropout:
        layers["input_dropout"] = nn.Dropout(input_dropout)
    last = math.prod(shape)
    if bottleneck is not None:
        _check_bottleneck(bottleneck, last, (*widths, outputs)[0])
        layers["bottleneck"] = nn.Linear(last, bottleneck, bias=False)
        last = bottleneck
    for number, width in enumerate(widths, start=1):
        layers[f"linear{number}"] = nn.Linear(last, width)
        layers[f"relu{number}"] = nn.ReLU()
        if dropout:
            layers[f"dropout{number}"] = nn.Dropout(dropout)
        last = width
    layers["head"] = nn.Linear(last, outputs)
    return nn.Sequential(layers)


def _check_bottleneck(bottleneck: int, inputs: int, width: int) -> None:
    if not 1 <= bottleneck < min(inputs, width):
        raise LimbeckError(
            f"A bottleneck of {bottleneck} units narrows nothing between {inputs} inputs and {width} units: "
            f"give a number from 1 to {min(inputs, width) - 1}."
        )


def cnn(
    widths: tuple[int, ...], outputs: int, shape: tuple[int, ...], depth: int = 1, dropout: float = 0.0
) -> nn.Sequential:
    """Build a convolutional net whose layers are ``stage1``, ``stage2``, …, ``pool``, ``flatten``, ``head``.

    Each stage is ``depth`` times convolution 3×3, BatchNorm, ReLU; every stage halves the map, except the
    first on images under 48 pixels.

    Args:
        widths: channels of each stage.
        outputs: classes or values.
        shape: shape of one sample, (C, H, W).
        depth: convolutions in a stage.
        dropout: probability of dropping a pooled feature before the head.

    Returns:
        A module from (N, C, H, W) to (N, outputs), for any H and W.

    Example:
        >>> import torch
        >>> net = cnn((4, 8), outputs=3, shape=(1, 8, 8))
        >>> net(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 3])
        >>> [name for name, _ in net.named_children()]
        ['stage1', 'stage2', 'pool', 'flatten', 'head']
    """
    channels, height, width = shape
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, wide in enumerate(widths, start=1):
        stride = 1 if number == 1 and min(height, width) < KEEP_RESOLUTION_BELOW else 2
        layers[f"stage{number}"] = _stage(channels, wide, stride, depth)
        channels = wide
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    if dropout:
        layers["dropout"] = nn.Dropout(dropout)
    layers["head"] = nn.Linear(channels, outputs)
    return nn.Sequential(layers)


def _stage(before: int, after: int, stride: int, depth: int) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number in range(1, depth + 1):
        first = number == 1
        layers[f"conv{number}"] = nn.Conv2d(
            before if first else after, after, 3, stride=stride if first else 1, padding=1, bias=False
        )
        layers[f"norm{number}"] = nn.BatchNorm2d(after)
        layers[f"relu{number}"] = nn.ReLU()
    return nn.Sequential(layers)


def open_small(kind: str, text: str, request: Request) -> Model:
    """Open ``mlp:…`` or ``cnn:…``.

    Args:
        kind: ``"mlp"`` or ``"cnn"``.
        text: the part after the colon, ``"16-32"``, ``"1200-1200?dropout=0.5"`` or, for a shallow mimic,
            ``"2000?bottleneck=50"``.
        request: what the net is for.

    Raises:
        LimbeckError: the text is no list of widths, a setting is unknown, or a cnn is asked to read features.
    """
    spec = f"{kind}:{text}"
    refuse_pretrained(spec, request)
    size = None
    if request.is_image:
        size = request.size or request.native
    elif request.size:
        raise LimbeckError(
            f"{spec} reads {request.shape[0]} features, which have no image size: leave the size out."
        )
    fed = (request.channels, *size) if size else request.shape
    options = {"shape": fed}
    module = build_small(spec, request.outputs, options)
    return Model(
        module=module,
        name=spec,
        inputs=default_inputs(fed),
        outputs=request.outputs,
        shape=request.shape,
        options=options,
    )


def build_small(spec: str, outputs: int, options: dict[str, tuple[int, ...]]) -> nn.Module:
    """Build the net that ``spec`` names, for samples of ``options["shape"]``."""
    kind, _, text = spec.partition(":")
    shape = options["shape"]
    if kind == "mlp":
        widths, settings = _parse(spec, text, ("dropout", "input_dropout", "bottleneck"))
        bottleneck = _whole(spec, settings, "bottleneck", "the units of the linear layer that comes first")
        return mlp(widths, outputs, shape, **settings, bottleneck=bottleneck)
    if len(shape) != 3:
        raise LimbeckError(
            f"{spec} reads images, but a sample here is {shape[0]} features: use a net such as mlp:64-64."
        )
    widths, settings = _parse(spec, text, ("dropout", "depth"))
    depth = _whole(spec, settings, "depth", "the number of convolutions in a stage")
    return cnn(widths, outputs, shape, depth=depth or 1, **settings)


def _parse(spec: str, text: str, known: tuple[str, ...]) -> tuple[tuple[int, ...], Settings]:
    """Split ``"16-32?dropout=0.5"`` into the widths and the settings."""
    kind = spec.partition(":")[0]
    numbers, _, query = text.partition("?")
    parts = numbers.split("-")
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise LimbeckError(
            f"{spec!r} is no network: widths are whole numbers above 0 joined by '-', as in {kind}:16-32."
        )
    settings: Settings = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in known:
            raise LimbeckError(
                f"{kind} has no setting {key!r} (there are: {', '.join(known)}).{did_you_mean(key, known)}"
            )
        settings[key] = _number(spec, key, value)
    return tuple(int(part) for part in parts), settings


def _whole(spec: str, settings: Settings, key: str, meaning: str) -> int | None:
    """Take a count out of the settings, or ``None`` where it is not among them."""
    number = settings.pop(key, None)
    if number is None:
        return None
    if not (math.isfinite(number) and number == int(number) and number >= 1):
        raise LimbeckError(f"{spec}: {key} is {meaning}, 1 or more, not {number:g}.")
    return int(number)


def _number(spec: str, key: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise LimbeckError(f"{spec}: {key} is a number, as in {key}=0.5, not {value!r}.") from None
    if "dropout" in key and not 0 <= number < 1:
        raise LimbeckError(f"{spec}: {key} is a probability from 0 to below 1, not {value}.")
    return number


def default_inputs(shape: tuple[int, ...]) -> Inputs:
    """Return the transform for a net with no habit of its own: pixels to -1..1, features as they are.

    Whoever has the data may put its statistics in (``limbeck.data.fit``).
    """
    if len(shape) == 1:
        return Standardise(mean=(0.0,) * shape[0], std=(1.0,) * shape[0])
    channels, height, width = shape
    return InputTransform((height, width), channels, (GREY_MEAN,) * channels, (GREY_STD,) * channels)
