"""Verbs for what a teacher said: cache build, cache verify, cache info."""

from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli.app import console
from limbeck.cli.options import Device, Plugin, Workers

cache = typer.Typer(
    no_args_is_help=True, help="Fill a cache of a teacher's answers ahead, check one, look at one."
)

Folder = Annotated[Path, typer.Argument(help="Folder of the cache.")]


@cache.command()
def build(
    run: Annotated[
        Path,
        typer.Argument(help="A run of limbeck train, whose model is the teacher, or of limbeck distill."),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the cache.")],
    cache_views: Annotated[int, typer.Option(help="Augmentation draws of each sample.", min=1)] = 1,
    batch_size: Annotated[int, typer.Option(help="Samples in a batch.", min=1)] = 256,
    workers: Workers = None,
    device: Device = None,
    plugin: Plugin = None,
) -> None:
    """Ask a run's teacher about every view of every sample once, and keep what it says."""
    from limbeck.recipes.cache_build import build_cache

    build_cache(
        run,
        out,
        cache_views,
        console=console(),
        plugins=plugin or [],
        batch_size=batch_size,
        workers=workers or 0,
        device=device or "auto",
    )


@cache.command()
def verify(folder: Folder) -> None:
    """Check every block of a cache against its checksum."""
    from limbeck.recipes.cache_looking import verify_cache

    verify_cache(folder, console())


@cache.command()
def info(folder: Folder) -> None:
    """Show what a cache holds and what it was made of."""
    from limbeck.recipes.cache_looking import cache_info

    cache_info(folder, console())
