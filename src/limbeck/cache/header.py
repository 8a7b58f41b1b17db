"""What a cache says of itself, in ``cache.json``."""

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import limbeck
from limbeck import checks
from limbeck.errors import LimbeckError
from limbeck.files import write_text

FORMAT = "limbeck cache"
VERSION = 1
BLOCK = 1024
"""Records that share a checksum: some 30 KB, read in 10 µs on first touch."""
NAME = "cache.json"
MOST_VIEWS = 9999
"""Views have four digits in the files' names."""
REBUILD = "Delete the folder and build the cache again."
_FIELD = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN = {"marks", "sums"}
_TYPES = {
    "format": str,
    "version": int,
    "limbeck": str,
    "samples": int,
    "views": int,
    "block": int,
    "fields": dict,
    "about": dict,
    "listed": bool,
    "complete": bool,
    "sum": int,
}


@dataclass(frozen=True)
class Header:
    """What a cache holds and what it was made of.

    Args:
        samples: how many samples it knows.
        views: how many draws of each.
        fields: name of each field -> its layout's settings, among them ``width``, the bytes of a record.
        about: what the records come from, such as ``"teacher weights"``, each in a few words.
        block: records that share a checksum.
        version: of the format.
        limbeck: the version of limbeck that made it.
        listed: whether ``samples.npy`` lists the samples; they are 0 to ``samples - 1`` otherwise.
        complete: whether every record was written and its block sealed.

    Raises:
        LimbeckError: a number out of range, a field without a width, a name that no file can bear.

    Example:
        >>> Header(1000, 4, {"logits": {"width": 14}}, {"augmentation": "shift 2"}).width
        14
    """

    samples: int
    views: int
    fields: Mapping[str, Mapping[str, Any]]
    about: Mapping[str, str] = field(default_factory=dict)
    block: int = BLOCK
    version: int = VERSION
    limbeck: str = limbeck.__version__
    listed: bool = False
    complete: bool = False

    def __post_init__(self) -> None:
        for name in ("samples", "views", "block"):
            checks.whole(f"{name} of a cache", getattr(self, name))
        if self.views > MOST_VIEWS:
            raise LimbeckError(f"A cache holds at most {MOST_VIEWS} views, not {self.views}.")
        _check_fields(self.fields)
        if not all(isinstance(each, str) for pair in self.about.items() for each in pair):
            raise LimbeckError("What a cache says about itself must be words for words.")
        object.__setattr__(self, "fields", _plain(self.fields))
        object.__setattr__(self, "about", dict(self.about))

    @property
    def widths(self) -> dict[str, int]:
        """Bytes of one record in each field, by name."""
        return {name: self.fields[name]["width"] for name in sorted(self.fields)}

    @property
    def width(self) -> int:
        """Bytes of one record, all fields together."""
        return sum(self.widths.values())

    @property
    def salt(self) -> int:
        """A number that no cache of another content shares, but by a chance of 1 in 2³²."""
        same = {**asdict(self), "complete": False}
        return zlib.crc32(_canonical(same))

    def differences(self, about: Mapping[str, str]) -> list[str]:
        """Return what another cache would say otherwise, each in a few words.

        Args:
            about: what holds now.

        Example:
            >>> header = Header(10, 1, {"logits": {"width": 14}}, {"augmentation": "shift 2"})
            >>> header.differences({"augmentation": "none"})
            ['augmentation: was shift 2, is none']
        """
        known = [*self.about, *(each for each in about if each not in self.about)]
        return [
            f"{name}: was {self.about.get(name, 'not told')}, is {about.get(name, 'not told')}"
            for name in known
            if self.about.get(name) != about.get(name)
        ]

    def write(self, folder: Path) -> None:
        """Write ``cache.json`` in ``folder``, whole or not at all."""
        contents: dict[str, Any] = {"format": FORMAT, **asdict(self)}
        contents["sum"] = zlib.crc32(_canonical(contents))
        write_text(folder / NAME, json.dumps(contents, indent=1, ensure_ascii=False) + "\n")

    def completed(self) -> "Header":
        """Return the header of the same cache when nothing is missing any more."""
        return replace(self, complete=True)

    @classmethod
    def read(cls, folder: Path) -> "Header":
        """Return what ``cache.json`` in ``folder`` says.

        Raises:
            LimbeckError: not there, not a cache's header, of another version, or altered by hand.
        """
        path = folder / NAME
        contents = _parsed(path)
        if contents.get("format") != FORMAT:
            raise LimbeckError(
                f"{path} is not the header of a cache of limbeck. Name the cache's own folder."
            )
        if contents.get("version") != VERSION or isinstance(contents["version"], bool):
            raise LimbeckError(
                f"{path} has format version {contents.get('version')!r}, and limbeck {limbeck.__version__} reads "
                f"version {VERSION}. Use limbeck {contents.get('limbeck')}, or build the cache again."
            )
        _check_keys(path, contents)
        expected = contents.pop("sum")
        if zlib.crc32(_canonical(contents)) != expected:
            raise LimbeckError(
                f"{path} was altered: its checksum does not fit. Restore it, or {_lower(REBUILD)}"
            )
        del contents["format"]
        try:
            return cls(**contents)
        except LimbeckError as error:
            raise LimbeckError(f"{path}: {error} {REBUILD}") from None


def _parsed(path: Path) -> dict[str, Any]:
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LimbeckError(
            f"No cache in {path.parent}: {NAME} is missing. Build one, or name another folder."
        ) from None
    except NotADirectoryError:
        raise LimbeckError(
            f"{path.parent} is a file, and a cache is a folder. Name the cache's folder."
        ) from None
    except OSError as error:
        raise LimbeckError(f"{path} cannot be read: {error.strerror}. Look at its permissions.") from None
    except (ValueError, RecursionError):
        raise LimbeckError(f"{path} is not JSON, as a cache's header must be. {REBUILD}") from None
    if not isinstance(contents, dict):
        raise LimbeckError(f"{path} is not the header of a cache of limbeck. Name the cache's own folder.")
    return contents


def _check_keys(path: Path, contents: Mapping[str, Any]) -> None:
    missing, unknown = sorted(_TYPES.keys() - contents.keys()), sorted(contents.keys() - _TYPES.keys())
    if missing or unknown:
        wrong = f"lacks {', '.join(missing)}" if missing else f"has unknown entries: {', '.join(unknown)}"
        raise LimbeckError(f"{path} {wrong}. {REBUILD}")
    for name, kind in _TYPES.items():
        if type(contents[name]) is not kind:
            raise LimbeckError(
                f"{path}: {name} must be of type {kind.__name__}, not {contents[name]!r}. {REBUILD}"
            )


def _check_fields(fields: Mapping[str, Mapping[str, Any]]) -> None:
    if not fields:
        raise LimbeckError("A cache needs at least one field.")
    for name, settings in fields.items():
        if not _FIELD.fullmatch(name) or name in _TAKEN:
            raise LimbeckError(
                f"A cache's field must be named by small letters, digits and underscores, other than marks and sums, "
                f"not {name!r}."
            )
        if not isinstance(settings, Mapping) or "width" not in settings:
            raise LimbeckError(f"The cache's field {name} must say its width in bytes.")
        checks.whole(f"width of the cache's field {name}", settings["width"])


def _plain(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return settings as they come back from JSON, so that a header equals the one that is read again."""
    try:
        plain = json.loads(json.dumps({name: dict(each) for name, each in fields.items()}, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise LimbeckError(
            f"Settings of a cache's fields must be plain numbers and words: {error}."
        ) from None
    return {name: dict(each) for name, each in plain.items()}


def _canonical(contents: Mapping[str, Any]) -> bytes:
    return json.dumps(contents, sort_keys=True, separators=(",", ":")).encode()


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]
