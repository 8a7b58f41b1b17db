"""Settings by keyword: the same names in Python, on the command line and in files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from limbeck.errors import LimbeckError
from limbeck.recipes.config_file import Settings, checked, merged, overrides, read_yaml
from limbeck.recipes.folder import saved_settings

SHORT = {
    "temperature": "kd",
    "kd_weight": "kd",
    "task_weight": "kd",
    "loss": "kd",
    "also": "kd",
    "pairs": "kd",
    "first_stage": "kd",
    "epochs": "train",
    "batch_size": "train",
    "lr": "train",
    "precision": "train",
    "device": "train",
    "workers": "train",
    "compile": "train",
    "seed": "train",
}
"""Settings that may be given without their group."""


def settings_from(kind: type[Settings], *layers: Mapping[str, Any]) -> Settings:
    """Return the configuration that the layers make together, later ones winning.

    Args:
        kind: the configuration's class.
        layers: nested settings; those in :data:`SHORT` may stand at the top, ``None`` means not given.

    Raises:
        LimbeckError: everything that is wrong, at once.

    Example:
        >>> from limbeck.recipes.config import DistillConfig
        >>> config = settings_from(DistillConfig, {"teacher": "cnn:8", "student": "cnn:4", "data": "digits"},
        ...                        {"epochs": 3, "temperature": 2})
        >>> config.train.epochs, config.kd.temperature
        (3, 2.0)
    """
    return checked(kind, merged(*(_grouped(kind, layer) for layer in layers)), SHORT)


def _grouped(kind: type[Settings], layer: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, given in layer.items():
        value = given.model_dump() if hasattr(given, "model_dump") else given
        if key == "scheme" and isinstance(value, str):  # a name in one layer, its settings in another
            value = {"name": value}
        group = SHORT.get(key)
        if group in kind.model_fields and key not in kind.model_fields:
            result = merged(result, {group: {key: value}})
        else:
            result = merged(result, {key: value})
    return result


def layers_of(
    verb: str,
    config: Path | None,
    resume: Path | None,
    flags: Mapping[str, Any],
    assignments: Sequence[str] | None,
) -> list[dict[str, Any]]:
    """Return the layers of settings of a command, lowest first: the run resumed, the file, flags, ``--set``.

    Args:
        verb: ``"train"`` or ``"distill"``.
        config: a YAML file.
        resume: the folder of an interrupted run.
        flags: ``None`` where a flag was not given.
        assignments: of ``--set``.

    Raises:
        LimbeckError: no such file or run; not plain YAML.
    """
    layers = [saved_settings(resume, verb)] if resume is not None else []
    if config is not None:
        layers.append(read_yaml(config))
    layers.append({key: value for key, value in flags.items() if value is not None and value != []})
    layers.append(overrides(assignments or []))
    return layers


def place_of(out: Path | None, resume: Path | None) -> Path:
    """Return the one run folder that was named.

    Raises:
        LimbeckError: neither or both were.

    Example:
        >>> place_of(Path("runs/a"), None).name
        'a'
    """
    place = out if out is not None else resume
    if place is None or (out is not None and resume is not None):
        raise LimbeckError(
            "Say where the run goes: --out FOLDER for a new one, or --resume FOLDER for an old one."
        )
    return place
