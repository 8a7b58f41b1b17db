"""Everything a training needs to go on as if it had never stopped."""

from pathlib import Path
from typing import Any

import torch

from limbeck.errors import LimbeckError
from limbeck.files import replacing


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` whole or not at all.

    Args:
        path: the file.
        state: tensors, numbers, strings and containers of them.

    Raises:
        LimbeckError: no space left; the earlier checkpoint is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:
            # torch's zip writer hides the system's error; asking the disk again brings it back.
            with temporary.open("ab") as file:
                file.write(b"\0" * 65536)
                file.flush()
            raise LimbeckError(f"Could not write the checkpoint {path}: {error}.") from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read what :func:`write_checkpoint` wrote; nothing in the file can run.

    Args:
        path: the file.

    Raises:
        LimbeckError: not a checkpoint of ours, or damaged.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "last.pt"
        >>> write_checkpoint(path, {"step": 3})
        >>> read_checkpoint(path)
        {'step': 3}
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise LimbeckError(
            f"{path} is not a readable checkpoint ({type(error).__name__}): delete it to train that part again."
        ) from error
    return state


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """Return the state of the generators that dropout and its like draw from."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def restore_random_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    """Put the generators back as :func:`random_state` found them."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
    if device.type == "mps" and "mps" in state:
        torch.mps.set_rng_state(state["mps"])


def differences(saved: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return what differs between two flat or nested settings, each as ``key: was X, is Y``.

    Example:
        >>> differences({"lr": 1, "seed": 0}, {"lr": 2, "seed": 0})
        ['lr: was 1, is 2']
    """
    found = []
    for key in sorted({*saved, *now}):
        was, is_ = saved.get(key), now.get(key)
        if isinstance(was, dict) and isinstance(is_, dict):
            found += [f"{key}.{each}" for each in differences(was, is_)]
        elif was != is_:
            found.append(f"{key}: was {was!r}, is {is_!r}")
    return found
