"""A network from its card alone: the card is data, and may ask only for what limbeck writes into cards."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from limbeck.errors import LimbeckError
from limbeck.models.borrowed import BorrowedClassifier, Borrowing
from limbeck.models.plugin import build_plugin
from limbeck.models.rescaled import Rescaled
from limbeck.models.shifted import SHIFT, Shifted
from limbeck.models.small import build_small
from limbeck.models.timm_door import build_timm
from limbeck.models.torchvision_door import build_torchvision

# What a card may ask of a door: no more is passed on, as zoos also take options that read files.
OPTIONS: dict[str, tuple[str, ...]] = {
    "timm": ("num_classes", "in_chans", "img_size"),
    "torchvision": ("num_classes", "image_size", "transform_input"),
    "mlp": ("shape",),
    "cnn": ("shape",),
    "plugin": ("shape",),
}
RESCALE = "rescale"  # mean and std of the targets, for a network that gives standardised values


def rebuild(card: Mapping[str, Any], path: Path, plugins: Sequence[str | Path] = ()) -> nn.Module:
    """Build the network a card describes, with fresh weights.

    Args:
        card: what the card says.
        path: the card's file, for errors.
        plugins: the person's files, needed when the network came from one.

    Raises:
        LimbeckError: the network was a Python object, or the card asks for what limbeck never writes.

    Example:
        >>> card = {"spec": "mlp:8", "outputs": 2, "options": {"shape": [3]}}
        >>> rebuild(card, Path("student.json")).head
        Linear(in_features=8, out_features=2, bias=True)
    """
    options = options_of(card, path)
    scale, shift = options.pop(RESCALE, None), options.pop(SHIFT, None)
    module = _network(card, options, path, plugins)
    if card.get("borrowed") is not None:
        module = BorrowedClassifier(module, Borrowing.from_dict(card["borrowed"]))
    module = module if scale is None else Rescaled(module, *scale)
    return module if shift is None else Shifted(module, shift)


def options_of(card: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return a card's options with lists as tuples again, after checking that they are of limbeck's making.

    Args:
        card: what the card says.
        path: the card's file, for errors.

    Raises:
        LimbeckError: an option is unknown, or is neither a number nor a row of them.

    Example:
        >>> options_of({"spec": "mlp:8", "options": {"shape": [3]}}, Path("student.json"))
        {'shape': (3,)}
    """
    known = (*OPTIONS.get(card["spec"].partition(":")[0], ()), RESCALE, SHIFT)
    options = {}
    for key, value in card["options"].items():
        numbers = value if isinstance(value, list) else [value]
        if key not in known or not all(isinstance(each, int | float) for each in numbers):
            raise LimbeckError(
                f"The card {path} has the option {key}={value!r}, which limbeck never writes: "
                "restore the card, or run again."
            )
        options[key] = tuple(value) if isinstance(value, list) else value
    return options


def _network(
    card: Mapping[str, Any], options: dict[str, Any], path: Path, plugins: Sequence[str | Path]
) -> nn.Module:
    spec, outputs = card["spec"], card["outputs"]
    kind, _, name = spec.partition(":")
    match kind:
        case "timm":
            return build_timm(name, options)
        case "torchvision":
            return build_torchvision(name, options)
        case "mlp" | "cnn":
            return build_small(spec, outputs, options)
        case "plugin":
            return build_plugin(name, outputs, options, plugins)
    raise LimbeckError(
        f"The {path.stem} of {path.parent} was a Python object ({name or spec}), which its run cannot build "
        f"again: build it in Python and fill it with limbeck.models.load_weights(module, "
        f"'{path.with_suffix('.safetensors')}')."
    )
