"""Weights from files: read without executing anything, loaded whole or not at all."""

import argparse
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.models.sizing import first_line

PICKLED = (".pt", ".pth", ".bin", ".ckpt", ".tar")
WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "net", "weights")
PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
# what a file that is no checkpoint makes torch.load raise, and what it says of one that wants to run code
DAMAGE = (
    pickle.UnpicklingError,
    RuntimeError,
    OSError,
    EOFError,
    LookupError,
    ValueError,
    AttributeError,
    TypeError,
)
OBJECTS = ("GLOBAL", "Unsupported class", "TorchScript")
NAMED = 3  # names told of each kind of disagreement

State = dict[str, Tensor]


def load_weights(module: nn.Module, path: str | Path, name: str | None = None) -> None:
    """Load a checkpoint into ``module``, or refuse it with an account of what does not fit.

    Args:
        module: the network to fill, changed in place.
        path: a .safetensors file, or a .pt/.pth/.bin/.ckpt file, of which only tensors are read.
        name: what to call the network in the account; its class by default.

    Raises:
        LimbeckError: the file cannot be read safely, or its tensors are not exactly the network's.
            Nothing is loaded then.

    Example:
        >>> import tempfile
        >>> from safetensors.torch import save_file
        >>> file = Path(tempfile.mkdtemp()) / "net.safetensors"
        >>> save_file({"weight": torch.ones(1, 2), "bias": torch.zeros(1)}, file)
        >>> net = nn.Linear(2, 1)
        >>> load_weights(net, file)
        >>> net.weight.data
        tensor([[1., 1.]])
    """
    fill(module, read_weights(path), source=str(path), name=name)


def fill(module: nn.Module, state: Mapping[str, Tensor], source: str, name: str | None = None) -> None:
    """Load tensors into ``module`` when they are exactly what it has; tensors it shares are needed only once.

    Args:
        module: the network to fill, changed in place.
        state: tensors by name, perhaps with the prefixes that wrappers add.
        source: where they came from, for the account.
        name: what to call the network in the account.

    Raises:
        LimbeckError: missing, unexpected or misshapen tensors; nothing is loaded.
    """
    own = module.state_dict()
    state = _without_prefixes(dict(state), own)
    for alias, first in aliases(module).items():
        if alias in own and alias not in state and first in state:
            state[alias] = state[first]
    for key in own.keys() - state.keys():
        if key.endswith("num_batches_tracked"):  # a counter that old checkpoints and other tools leave out
            state[key] = own[key]
    missing = [key for key in own if key not in state]
    unexpected = [key for key in state if key not in own]
    misshapen = [
        f"{key} is {_shape(state[key])} and should be {_shape(own[key])}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    if missing or unexpected or misshapen:
        account = "; ".join(
            f"{len(items)} {kind} ({_some(items)})"
            for kind, items in (("missing", missing), ("unexpected", unexpected), ("misshapen", misshapen))
            if items
        )
        raise LimbeckError(
            f"{source} does not fit {name or type(module).__name__}: {account}; nothing was loaded, "
            "so name the model the file was saved from."
        )
    broken = [key for key, value in state.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise LimbeckError(
            f"{source} holds values that are not finite in {_some(broken)}: nothing was loaded, so use a checkpoint "
            "from before training went wrong."
        )
    module.load_state_dict(state)


def read_weights(path: str | Path) -> State:
    """Return the tensors of a checkpoint by name, executing nothing that may be in the file.

    Args:
        path: a .safetensors file, or a .pt/.pth/.bin/.ckpt with a state dict, plain or under a usual key.

    Raises:
        LimbeckError: the file is missing, damaged, of another kind, or a pickle of more than tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise LimbeckError(f"No weights file {path}: give a .safetensors or .pt file.")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix in PICKLED:
        return _read_pickled(path)
    raise LimbeckError(f"{path} is no weights file by its ending: give a .safetensors, .pt or .pth file.")


def aliases(module: nn.Module) -> dict[str, str]:
    """Return, for each tensor that ``module`` has under several names, the later names and the first.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
        >>> net[1].weight = net[0].weight
        >>> aliases(net)
        {'1.weight': '0.weight'}
    """
    first: dict[int, str] = {}
    shared = {}
    for key, tensor in module.state_dict(keep_vars=True).items():
        if id(tensor) in first:
            shared[key] = first[id(tensor)]
        else:
            first[id(tensor)] = key
    return shared


def _read_safetensors(path: Path) -> State:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise LimbeckError(
            f"{path} is damaged or no safetensors file ({first_line(error)}): get or save it again."
        ) from error


def _read_pickled(path: Path) -> State:
    try:
        # timm's training script keeps its arguments in the file; a Namespace holds data and runs nothing
        with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch warns of here, the errors below say
            content = torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGE as error:
        if any(sign in str(error) for sign in OBJECTS):
            raise LimbeckError(
                f"{path} holds Python objects, such as a pickled module, and reading those could "
                "run any code: save the tensors alone with torch.save(model.state_dict(), ...) and give that."
            ) from error
        raise LimbeckError(f"{path} is damaged or no PyTorch file: get or save it again.") from error
    return _state_in(content, path)


def _state_in(content: Any, path: Path) -> State:
    """Return the state dict, whether it is the whole content or lies under one of the usual keys."""
    if isinstance(content, Mapping):
        tensors = {key: value for key, value in content.items() if isinstance(value, Tensor)}
        if tensors and len(tensors) == len(content) and all(isinstance(key, str) for key in tensors):
            return tensors
        for key in WRAPPERS:
            if isinstance(content.get(key), Mapping):
                return _state_in(content[key], path)
    keys = (
        f"keys {_some([str(key) for key in content])}"
        if isinstance(content, Mapping)
        else type(content).__name__
    )
    raise LimbeckError(
        f"{path} holds no state dict ({keys}): save one with torch.save(model.state_dict(), ...), plain "
        "or under the key 'state_dict'."
    )


def _without_prefixes(state: State, own: Mapping[str, Tensor]) -> State:
    """Remove what DataParallel, compile, weight averaging and wrapping modules put before every name."""
    if "n_averaged" in state and "n_averaged" not in own:
        del state["n_averaged"]
    while state:
        prefix = next((each for each in PREFIXES if all(key.startswith(each) for key in state)), None)
        if prefix is None or all(key.startswith(prefix) for key in own):
            return state
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _shape(tensor: Tensor) -> str:
    return "×".join(str(size) for size in tensor.shape) or "a single number"


def _some(items: list[str]) -> str:
    rest = len(items) - NAMED
    return ", ".join(items[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
