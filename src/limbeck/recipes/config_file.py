"""From files, flags and keyword arguments to a checked configuration."""

import types
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from limbeck.errors import LimbeckError, did_you_mean

Settings = TypeVar("Settings", bound=BaseModel)


class _UniqueKeys(yaml.SafeLoader):
    """A safe loader that also refuses a key given twice, of which plain YAML keeps the last in silence."""


def _unique(loader: _UniqueKeys, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise LimbeckError(f"The key {key!r} on line {key_node.start_mark.line + 1} is not a name.")
        if key in seen:
            raise LimbeckError(
                f"The key {key!r} is given twice, again on line {key_node.start_mark.line + 1}: keep one."
            )
        seen.add(key)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a config file; nothing in it can run.

    Args:
        path: a YAML file whose top level is a mapping.

    Raises:
        LimbeckError: no such file; not YAML; tags; duplicate keys; not a mapping.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise LimbeckError(f"Cannot read the config file {path}: {reason}.") from error
    try:
        content = yaml.load(text, Loader=_UniqueKeys)  # noqa: S506  (a subclass of SafeLoader)
    except LimbeckError as error:
        raise LimbeckError(f"{path}: {error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" on line {mark.line + 1}" if mark else ""
        raise LimbeckError(
            f"{path} is not plain YAML{where} ({getattr(error, 'problem', error)}): a config file holds data "
            "only, with no tags."
        ) from error
    if content is None:
        raise LimbeckError(f"{path} is empty: it should hold settings such as 'teacher: timm:resnet34'.")
    if not isinstance(content, dict):
        raise LimbeckError(
            f"{path} must hold settings such as 'teacher: timm:resnet34', not {type(content).__name__}."
        )
    return content


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the layers put together, later ones winning, mappings merged key by key.

    Example:
        >>> merged({"kd": {"loss": "KD"}}, {"kd": {"temperature": 2}})
        {'kd': {'loss': 'KD', 'temperature': 2}}
    """
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = result.get(key)
            result[key] = (
                merged(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
            )
    return result


def overrides(assignments: Sequence[str]) -> dict[str, Any]:
    """Return ``a.b=c`` assignments as nested settings; values are read as YAML.

    Raises:
        LimbeckError: an assignment without ``=``.

    Example:
        >>> overrides(["kd.temperature=2", "train.clip=null"])
        {'kd': {'temperature': 2}, 'train': {'clip': None}}
    """
    result: dict[str, Any] = {}
    for each in assignments:
        key, equals, text = each.partition("=")
        if not equals or not key:
            raise LimbeckError(f"--set takes key=value, such as kd.temperature=2, not {each!r}.")
        try:
            value = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise LimbeckError(f"The value in --set {each!r} is not plain YAML: quote it.") from error
        for part in reversed(key.split(".")):
            value = {part: value}
        result = merged(result, value)
    return result


def checked(kind: type[Settings], values: Mapping[str, Any], short: Iterable[str] = ()) -> Settings:
    """Return the settings, or refuse them with everything that is wrong at once.

    Args:
        kind: the configuration's class.
        values: nested settings.
        short: names that may stand at the top too, for the hint.

    Raises:
        LimbeckError: unknown keys (near ones are named), missing ones, wrong types or values.

    Example:
        >>> from limbeck.recipes.config import TrainConfig
        >>> checked(TrainConfig, {"model": "cnn:8", "dat": "digits"})
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: 2 settings are wrong:
          data: is missing (in a file, or as --data)
          dat: no such setting. Did you mean 'data'?
    """
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        lines = [_told(kind, each, short) for each in error.errors()]
    if len(lines) == 1:
        raise LimbeckError(f"A setting is wrong: {lines[0]}")
    raise LimbeckError(f"{len(lines)} settings are wrong:\n  " + "\n  ".join(lines))


def _told(kind: type[BaseModel], error: Any, short: Iterable[str]) -> str:
    place = [part for part in error["loc"] if not (isinstance(part, str) and part.startswith("function-"))]
    where = ".".join(str(part) for part in _untagged(kind, place))
    if error["type"] == "missing":
        return f"{where}: is missing (in a file, or as --{where})"
    if error["type"] == "extra_forbidden":
        known = [*_keys(kind, place[:-1]), *(short if len(place) == 1 else ())]
        return f"{where}: no such setting.{did_you_mean(str(place[-1]), known)}"
    if error["type"] in ("model_type", "dict_type"):
        return f"{where}: is a group of settings, such as {where}.{(_keys(kind, place) or ['name'])[0]}, not one value"
    if error["type"] == "list_type":
        return f"{where}: takes a list, such as [{error['input']}]"
    said = str(error["msg"])
    if error["type"] == "value_error":
        return f"{where}: {said.removeprefix('Value error, ')}"
    given = error.get("input")
    plain = isinstance(given, str | int | float | bool) or given is None
    return f"{where}: {said[:1].lower() + said[1:]}" + (f", not {given!r}" if plain else "")


def _keys(kind: type[BaseModel], place: Sequence[Any]) -> list[str]:
    """Return the settings that exist at ``place``."""
    kinds = [kind]
    for part in place:
        if isinstance(part, int):  # which of a list: all of it are of one kind
            continue
        chosen = [each for each in kinds if _tag(each) == part]
        field = kinds[0].model_fields.get(str(part))
        kinds = chosen or (_models_of(field.annotation) if field is not None else [])
        if not kinds:
            return []
    return list(kinds[0].model_fields)


def _untagged(kind: type[BaseModel], place: Sequence[Any]) -> list[Any]:
    """Return where a setting stands as the person wrote it, without the name by which a union chose its kind."""
    field = kind.model_fields.get(str(place[0])) if len(place) > 1 else None
    chosen = field is not None and place[1] in map(_tag, _models_of(field.annotation))
    return [place[0], *place[2:]] if chosen else list(place)


def _tag(kind: type[BaseModel]) -> str | None:
    """Return the name by which a union of settings chooses this kind."""
    return kind.model_fields["name"].default if "name" in kind.model_fields else None


def _models_of(annotation: Any) -> list[type[BaseModel]]:
    if get_origin(annotation) in (Union, types.UnionType):
        return [model for each in get_args(annotation) for model in _models_of(each)]
    if get_origin(annotation) is list:
        return _models_of(get_args(annotation)[0])
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []


def as_yaml(config: BaseModel) -> str:
    """Return the complete configuration as YAML that :func:`read_yaml` reads back.

    Example:
        >>> from limbeck.recipes.config import TrainConfig
        >>> "model: cnn:8" in as_yaml(TrainConfig(model="cnn:8", data="digits"))
        True
    """
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
