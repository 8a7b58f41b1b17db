"""Saved models: ROLE.safetensors, and beside it the card ROLE.json that says what the tensors belong to."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any

from safetensors.torch import save
from torch import Tensor, nn

from limbeck.data.transforms import transform_from_dict
from limbeck.errors import LimbeckError
from limbeck.files import replacing
from limbeck.models.model import Model
from limbeck.models.rebuild import options_of, rebuild
from limbeck.models.weights import aliases, fill, read_weights

SCHEMA = 1
FIELDS: dict[str, type | UnionType] = {
    "spec": str,
    "outputs": int,
    "shape": list,
    "options": dict,
    "inputs": dict,
    "classes": list | NoneType,
    "task": str,
    "sha256": str,
}


def save_model(
    folder: str | Path,
    role: str,
    model: Model,
    state: Mapping[str, Tensor] | None = None,
    *,
    task: str = "classification",
) -> Path:
    """Write what inference needs and nothing more: ``ROLE.safetensors`` and its card ``ROLE.json``.

    Args:
        folder: an existing run folder.
        role: ``"student"``, ``"teacher"``, ``"model"``, …: the name of the files.
        model: the network with its transform, class names and the options that build it again.
        state: the tensors to write in place of the module's own (averaged weights, an earlier epoch).
        task: ``"classification"`` or ``"regression"``.

    Returns:
        The weights file.

    Raises:
        ValueError: the state's names are not the module's.

    Example:
        >>> import tempfile
        >>> from limbeck.models import load_model, open_model
        >>> folder = tempfile.mkdtemp()
        >>> file = save_model(folder, "student", open_model("cnn:4-8", outputs=3, shape=(1, 8, 8)))
        >>> file.name, load_model(folder, "student").name
        ('student.safetensors', 'cnn:4-8')
    """
    weights, card = _files(folder, role)
    content = _bare(model.module, state)
    facts = {
        "schema": SCHEMA,
        "spec": model.name,
        "outputs": model.outputs,
        "shape": model.shape,
        "options": dict(model.options),
        "inputs": model.inputs.to_dict(),
        "classes": model.classes,
        "task": task,
    }
    if model.borrowed is not None:
        facts["borrowed"] = dict(model.borrowed)
    with replacing(card) as text, replacing(weights) as tensors:
        # Where the second cannot follow the first, their checksum refuses the pair.
        # Through Python's own file, whose error for a full disk is one that we know.
        tensors.write_bytes(save(content, metadata={"format": "pt"}))
        facts["sha256"] = sha256(tensors)
        text.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return weights


def load_model(folder: str | Path, role: str, plugins: Sequence[str | Path] = ()) -> Model:
    """Build a saved model again and fill it with its weights.

    Args:
        folder: the run folder.
        role: whose model, ``"student"`` say.
        plugins: the person's files, needed when the model came from one.

    Returns:
        The model, its ``weights`` naming the file.

    Raises:
        LimbeckError: no such model, a damaged or changed file, or a model that was a Python object.
    """
    weights, path = _files(folder, role)
    card = read_card(folder, role)
    if not weights.is_file():
        raise LimbeckError(f"{weights} is missing beside its card: restore it, or run again.")
    if sha256(weights) != card["sha256"]:
        raise LimbeckError(
            f"{weights} is not the file its card {role}.json describes (sha256 differs): "
            "restore the two together, or run again."
        )
    module = rebuild(card, path, plugins)
    fill(module, read_weights(weights), source=str(weights), name=card["spec"])
    return Model(
        module=module,
        name=card["spec"],
        inputs=transform_from_dict(card["inputs"]),
        weights=str(weights),
        classes=None if card["classes"] is None else tuple(card["classes"]),
        outputs=card["outputs"],
        shape=tuple(card["shape"]),
        options=options_of(card, path),
        borrowed=card.get("borrowed"),
    )


def read_card(folder: str | Path, role: str) -> dict[str, Any]:
    """Return the card of a saved model, checked to be whole and of a schema known here.

    Raises:
        LimbeckError: the card is missing, damaged, incomplete or newer than this limbeck.
    """
    _, path = _files(folder, role)
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        found = ", ".join(roles(folder)) or "none"
        raise LimbeckError(f"{folder} has no saved model {role!r} (there are: {found}).") from None
    except (OSError, ValueError) as error:
        raise LimbeckError(f"The card {path} cannot be read ({error}): restore it, or run again.") from error
    if not isinstance(card, dict) or card.get("schema") != SCHEMA:
        schema = card.get("schema") if isinstance(card, dict) else None
        raise LimbeckError(
            f"The card {path} has schema {schema}, this limbeck reads {SCHEMA}: use the limbeck it is from."
        )
    wrong = [key for key, kind in FIELDS.items() if key not in card or not isinstance(card[key], kind)]
    if wrong:
        raise LimbeckError(f"The card {path} has no valid {', '.join(wrong)}: restore it, or run again.")
    return card


def roles(folder: str | Path) -> list[str]:
    """Return the roles of the models saved in a run folder, in alphabetical order."""
    return sorted(
        each.stem for each in Path(folder).glob("*.safetensors") if each.with_suffix(".json").is_file()
    )


def sha256(path: str | Path) -> str:
    """Return the sha256 (hex) of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: str | Path, role: str) -> tuple[Path, Path]:
    return Path(folder) / f"{role}.safetensors", Path(folder) / f"{role}.json"


def _bare(module: nn.Module, state: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
    """Return the tensors of the bare module: each once, with no memory shared, on the processor."""
    module = getattr(module, "_orig_mod", module)  # what torch.compile wraps
    own = module.state_dict()
    state = own if state is None else {key.removeprefix("_orig_mod."): each for key, each in state.items()}
    if state.keys() != own.keys():
        odd = sorted(state.keys() ^ own.keys())
        raise ValueError(
            f"The state to save is not this module's: {', '.join(odd[:3])} differ ({len(odd)} in all)."
        )
    shared = aliases(module)
    return {
        key: value.detach().cpu().contiguous().clone() for key, value in state.items() if key not in shared
    }
