"""Verbs that give a run away: export, cite."""

from typing import Annotated

import typer

from limbeck.cli.app import console
from limbeck.cli.options import (
    Plugin,
    Run,
)


def export(
    run: Run,
    role: Annotated[
        str | None, typer.Option(help="student, teacher or model; the run's result unless told.")
    ] = None,
    plugin: Plugin = None,
) -> None:
    """Write a run's model as ONNX and as a package, with proof that it computes the same."""
    from limbeck.recipes.exporting import export_run

    export_run(run, role, console(), plugins=plugin or [])


def cite(run: Run) -> None:
    """Print BibTeX for what a run used."""
    from limbeck.recipes.citing import cite_run

    typer.echo(cite_run(run))
