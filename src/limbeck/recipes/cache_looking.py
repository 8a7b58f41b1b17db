"""A cache looked at: what it holds, and whether it is whole."""

from pathlib import Path

from rich.console import Console

from limbeck.cache import Store
from limbeck.cache.header import NAME
from limbeck.errors import LimbeckError
from limbeck.recipes.telling import say, show_table
from limbeck.report import formats


def verify_cache(folder: Path, console: Console | None = None) -> None:
    """Check every block of a cache against its checksum.

    Args:
        folder: of the cache.
        console: where the outcome is printed; nowhere unless told.

    Raises:
        LimbeckError: there is none, or it is damaged.
    """
    with Store.open(located(folder)) as store:
        store.verify()
    say(console or Console(quiet=True), f"{told_size(located(folder))} Every checksum is right.")


def cache_info(folder: Path, console: Console | None = None) -> None:
    """Print what a cache holds and what it was made of.

    Args:
        folder: of the cache.
        console: where to; nowhere unless told.

    Raises:
        LimbeckError: there is none.
    """
    console = console or Console(quiet=True)
    with Store.open(located(folder)) as store:
        header, filled = store.header, store.filled
        rows = [
            ["samples", f"{header.samples:,}"],
            ["views of each", f"{header.views:,}"],
            ["answers", f"{filled:,} of {header.samples * header.views:,}"],
            ["bytes each", f"{store.bytes_per_view:.2f}"],
            ["on disk", formats.size(store.bytes)],
            *([name, _told(settings)] for name, settings in header.fields.items()),
            *([key, value] for key, value in sorted(header.about.items())),
            ["written by", f"limbeck {header.limbeck}, format {header.version}"],
        ]
    show_table(console, ["", str(folder)], rows)


def located(folder: Path) -> Path:
    """Return the folder of the one cache that is meant: a run keeps its own a folder deeper.

    Raises:
        LimbeckError: there are several.
    """
    places = (folder, folder / "cache")
    if any((each / NAME).exists() for each in places):
        return folder if (folder / NAME).exists() else folder / "cache"
    inside = sorted(each.parent for place in places for each in place.glob(f"*/{NAME}"))
    if len(inside) > 1:
        raise LimbeckError(f"{folder} has {len(inside)} caches: name one of {', '.join(map(str, inside))}.")
    return inside[0] if inside else folder


def told_size(folder: Path) -> str:
    """Return in a sentence how much a cache holds."""
    with Store.open(folder) as store:
        header, filled = store.header, store.filled
        whole = header.samples * header.views
        views = f"{header.views} view{'s' if header.views > 1 else ''}"
        share = "" if filled == whole else f" ({filled:,} of {whole:,} answers so far)"
        return (
            f"{folder} keeps {views} of {header.samples:,} samples{share}, {store.bytes_per_view:.1f} bytes each, "
            f"{formats.size(store.bytes)} in all."
        )


def _told(settings: object) -> str:
    assert isinstance(settings, dict)
    more = [f"{key} {value}" for key, value in settings.items() if key not in ("layout", "name")]
    return f"{settings.get('layout', settings.get('name', ''))} ({', '.join(more)})"
