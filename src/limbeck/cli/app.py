"""The program to which every verb is added."""

from typing import Annotated

import typer
from rich.console import Console

import limbeck

app = typer.Typer(
    name="limbeck",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def console() -> Console:
    """Return where a verb prints."""
    return Console()


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"limbeck {limbeck.__version__}")
        raise typer.Exit


@app.callback()
def limbeck_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Distil neural networks into smaller ones, with proof of what it gained and cost."""
