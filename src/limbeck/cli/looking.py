"""Verbs that look at what was trained: evaluate, report, temperature."""

from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli.app import console
from limbeck.cli.options import (
    Data,
    Epochs,
    Plugin,
    Run,
    Seeds,
    Size,
    SkipBad,
)
from limbeck.errors import LimbeckError


def evaluate(
    run: Run,
    data: Annotated[str | None, typer.Option(help="Other data than the run's own.")] = None,
    skip_bad: SkipBad = None,
    plugin: Plugin = None,
) -> None:
    """Measure a run's models again, on its own test part or on other data."""
    from limbeck.recipes.evaluation import evaluate_run

    evaluate_run(run, data, console(), plugins=plugin or [], skip_bad=bool(skip_bad))


def report(
    runs: Annotated[list[Path], typer.Argument(help="One run folder, or several to compare.")],
    out: Annotated[
        Path | None, typer.Option(help="Where the comparison goes; comparison.html unless told.")
    ] = None,
) -> None:
    """Write a run's page again, or set several runs side by side."""
    from limbeck.report import compare_runs, write_report

    if len(runs) == 1 and out is not None:
        raise LimbeckError(
            f"The page of one run goes into its folder, {runs[0]}: leave --out, or give several runs."
        )
    page = write_report(runs[0]) if len(runs) == 1 else compare_runs(runs, out or Path("comparison.html"))
    console().print(f"Wrote {page}", highlight=False, markup=False, soft_wrap=True)


def temperature(
    run: Annotated[Path | None, typer.Argument(help="A run whose teacher to look at.")] = None,
    teacher: Annotated[str | None, typer.Option(help="A teacher with weights, instead of the run's.")] = None,
    teacher_weights: Annotated[
        str | None, typer.Option(help="A .safetensors or weights-only .pt file for that teacher.")
    ] = None,
    teacher_pretrained: Annotated[
        bool, typer.Option("--teacher-pretrained", help="Use the zoo's trained weights for that teacher.")
    ] = False,
    data: Data = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for table and plot; the run's unless told.")
    ] = None,
    size: Size = None,
    skip_bad: SkipBad = None,
    search: Annotated[
        bool, typer.Option("--search", help="Train the run's student with each temperature and weight, too.")
    ] = False,
    temperatures: Annotated[str, typer.Option(help="Temperatures, separated by commas.")] = "1,2,4,8,16,32",
    kd_weights: Annotated[str, typer.Option(help="Teacher's weights that the search tries.")] = "0.5,0.9",
    epochs: Epochs = None,
    seeds: Seeds = None,
    plugin: Plugin = None,
) -> None:
    """Show what a teacher says as its temperature grows; search T and weight on validation."""
    from limbeck.recipes.temperature import numbers
    from limbeck.recipes.temperature import temperature as show

    show(
        run, teacher=teacher, teacher_weights=teacher_weights, teacher_pretrained=teacher_pretrained, data=data,
        out=out, size=size, skip_bad=bool(skip_bad), search=search,
        temperatures=numbers("--temperatures", temperatures), kd_weights=numbers("--kd-weights", kd_weights),
        epochs=epochs, seeds=seeds, plugins=plugin or [], console=console(),
    )  # fmt: skip


def losses(
    name: Annotated[str | None, typer.Argument(help="One loss, to be told all about it.")] = None,
) -> None:
    """List what can be taught: every loss, its kind, its paper and what it needs."""
    from limbeck.recipes.losses import list_losses

    list_losses(console(), name)


def schemes(
    name: Annotated[str | None, typer.Argument(help="One scheme, to be told all about it.")] = None,
) -> None:
    """List who can teach whom: every scheme, when one takes it, and its paper."""
    from limbeck.recipes.schemes.listing import list_schemes

    list_schemes(console(), name)


def layers(
    teacher: Annotated[
        str, typer.Option(help="timm:NAME, torchvision:NAME, run:DIR, cnn:16-32, plugin:FUNCTION.")
    ],
    student: Annotated[str, typer.Option(help="Likewise.")],
    data: Data = None,
    size: Size = None,
    plugin: Plugin = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every layer that can be tapped, with its shape.")
    ] = False,
) -> None:
    """Propose which layers of a student learn from which of a teacher, and what bridges them."""
    from limbeck.recipes.layers import layers as show

    show(
        teacher, student, data=data, size=size, plugins=plugin or [], everything=everything, console=console()
    )
