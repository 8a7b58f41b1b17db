"""A package: the exported file, its card as JSON beside it, and the checksum that ties them together."""

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from limbeck.errors import LimbeckError
from limbeck.export.reader import read_card
from limbeck.files import write_text

MODEL, CARD = "model.onnx", "package.json"


def write_package(model: Path | str, folder: Path | str) -> Path:
    """Write a package around an exported file: ``model.onnx``, and its card and SHA-256 in ``package.json``.

    Args:
        model: a file that `export_onnx` wrote; it is copied.
        folder: the package to write; an earlier package there is replaced, anything else is refused.

    Returns:
        The folder.

    Raises:
        LimbeckError: ``folder`` holds something else, or ``model`` is not limbeck's.
    """
    model, folder = Path(model), Path(folder)
    card = read_card(model)
    if folder.exists() and not (folder / CARD).is_file():
        raise LimbeckError(f"{folder} exists and is no package of limbeck's: name another folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        shutil.copyfile(model, fresh / MODEL)
        facts = {"package": 1, "model": MODEL, "sha256": _sha256(fresh / MODEL), "card": card}
        write_text(fresh / CARD, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
        fresh.chmod(0o755)
        _replace(folder, fresh)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def open_package(folder: Path | str) -> tuple[Path, dict[str, Any]]:
    """Check a package and return its model file and its card.

    Args:
        folder: a package that `write_package` wrote.

    Returns:
        The ``.onnx`` file, to be given to a runtime, and the card: task, class names, input shape.

    Raises:
        LimbeckError: a part is missing, or the model is not the one the package was made of.
    """
    folder = Path(folder)
    try:
        facts = json.loads((folder / CARD).read_text(encoding="utf-8"))
        model, wanted, card = folder / MODEL, facts["sha256"], facts["card"]
        given = _sha256(model)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LimbeckError(
            f"{folder} is not a whole package ({error}): it needs {MODEL} and {CARD}; export the run again."
        ) from error
    if given != wanted:
        raise LimbeckError(
            f"{model} is not the file its package was made of (SHA-256 {given[:12]}…, not {wanted[:12]}…): "
            "copy the package again or export the run again."
        )
    return model, card


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _replace(folder: Path, fresh: Path) -> None:
    """Put ``fresh`` in the place of ``folder``; the old package is whole until the new one is."""
    if not folder.exists():
        fresh.rename(folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        folder.rename(old / "package")
        fresh.rename(folder)
    finally:
        if not folder.exists():
            (old / "package").rename(folder)
        shutil.rmtree(old, ignore_errors=True)
