"""Settings by keyword: the same names in Python, on the command line and in files."""

from collections.abc import Mapping
from typing import Any

from limbeck.recipes.config_file import Settings, checked, merged

SHORT = {
    "temperature": "kd",
    "kd_weight": "kd",
    "task_weight": "kd",
    "loss": "kd",
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
    return checked(kind, merged(*(_grouped(kind, layer) for layer in layers)))


def _grouped(kind: type[Settings], layer: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, given in layer.items():
        value = given.model_dump() if hasattr(given, "model_dump") else given
        group = SHORT.get(key)
        if group in kind.model_fields and key not in kind.model_fields:
            result = merged(result, {group: {key: value}})
        else:
            result = merged(result, {key: value})
    return result
