"""The command line: one verb, one recipe. Imports nothing heavy until a verb runs."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import limbeck
from limbeck.errors import LimbeckError
from limbeck.options import (
    Augment,
    BatchSize,
    Config,
    Data,
    Device,
    Epochs,
    Limit,
    Out,
    Plugin,
    Precision,
    Rate,
    Resume,
    Run,
    Seeds,
    Set,
    Size,
    SkipBad,
    Tracker,
    Workers,
)
from limbeck.outcomes import outcome

STOPPED = 130

app = typer.Typer(
    name="limbeck",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _console() -> Console:
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


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Run folder to make.")] = Path("runs/demo"),
    seeds: Annotated[int, typer.Option(help="Paired students.", min=2)] = 8,
) -> None:
    """Distil a small classifier of handwritten digits, in a few minutes on two cores."""
    from limbeck.recipes.demo import demo as run

    run(out, seeds=seeds, console=_console())


@app.command()
def train(
    config: Config = None,
    model: Annotated[
        str | None,
        typer.Option(help="timm:NAME, torchvision:NAME, run:DIR, cnn:16-32, mlp:64-64, plugin:FUNCTION."),
    ] = None,
    data: Data = None,
    out: Out = None,
    resume: Resume = None,
    assign: Set = None,
    plugin: Plugin = None,
    weights: Annotated[
        str | None, typer.Option(help="A .safetensors or weights-only .pt file to start from.")
    ] = None,
    pretrained: Annotated[
        bool | None, typer.Option("--pretrained", help="Start from the zoo's weights.")
    ] = None,
    seeds: Seeds = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    lr: Rate = None,
    augment: Augment = None,
    limit: Limit = None,
    size: Size = None,
    skip_bad: SkipBad = None,
    precision: Precision = None,
    device: Device = None,
    workers: Workers = None,
    tracker: Tracker = None,
) -> None:
    """Train one model, a teacher say, into a run that run:DIR then names."""
    flags = {
        "model": model, "data": data, "weights": weights, "pretrained": pretrained, "seeds": seeds, "epochs": epochs,
        "batch_size": batch_size, "lr": lr, "augment": augment, "limit": limit, "size": size, "skip_bad": skip_bad,
        "precision": precision, "device": device, "workers": workers, "trackers": tracker,
    }  # fmt: skip
    from limbeck.recipes.command import run_train
    from limbeck.recipes.settings import layers_of, place_of

    place = place_of(out, resume)
    layers = layers_of("train", config, resume, flags, assign)

    run_train(layers, place, plugins=plugin or [], resume=resume is not None, console=_console())


@app.command()
def distill(
    config: Config = None,
    teacher: Annotated[
        str | None,
        typer.Option(help="timm:NAME, torchvision:NAME, run:DIR, cnn:16-32, mlp:64-64, plugin:FUNCTION."),
    ] = None,
    student: Annotated[str | None, typer.Option(help="Likewise.")] = None,
    data: Data = None,
    out: Out = None,
    resume: Resume = None,
    assign: Set = None,
    plugin: Plugin = None,
    teacher_weights: Annotated[
        str | None, typer.Option(help="A .safetensors or weights-only .pt file for the teacher.")
    ] = None,
    teacher_pretrained: Annotated[
        bool | None,
        typer.Option("--teacher-pretrained", help="Use the zoo's trained weights for the teacher."),
    ] = None,
    student_pretrained: Annotated[
        bool | None, typer.Option("--student-pretrained", help="Start the student from the zoo's weights.")
    ] = None,
    loss: Annotated[str | None, typer.Option(help="What is taught: KD, LogitRegression.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Of the soft targets.")] = None,
    kd_weight: Annotated[float | None, typer.Option(help="Weight of what the teacher says.")] = None,
    task_weight: Annotated[float | None, typer.Option(help="Weight of the hard labels.")] = None,
    no_alone: Annotated[bool, typer.Option("--no-alone", help="Do not train the student alone too.")] = False,
    seeds: Seeds = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    lr: Rate = None,
    augment: Augment = None,
    limit: Limit = None,
    size: Size = None,
    skip_bad: SkipBad = None,
    precision: Precision = None,
    device: Device = None,
    workers: Workers = None,
    tracker: Tracker = None,
) -> None:
    """Distil a teacher into a student, and prove what that gained and cost."""
    flags = {
        "teacher": teacher, "student": student, "data": data, "teacher_weights": teacher_weights,
        "teacher_pretrained": teacher_pretrained, "student_pretrained": student_pretrained, "loss": loss,
        "temperature": temperature, "kd_weight": kd_weight, "task_weight": task_weight,
        "alone": False if no_alone else None, "seeds": seeds, "epochs": epochs, "batch_size": batch_size, "lr": lr,
        "augment": augment, "limit": limit, "size": size, "skip_bad": skip_bad, "precision": precision,
        "device": device, "workers": workers, "trackers": tracker,
    }  # fmt: skip
    from limbeck.recipes.command import run_distill
    from limbeck.recipes.settings import layers_of, place_of

    place = place_of(out, resume)
    layers = layers_of("distill", config, resume, flags, assign)

    run_distill(layers, place, plugins=plugin or [], resume=resume is not None, console=_console())


@app.command()
def evaluate(
    run: Run,
    data: Annotated[str | None, typer.Option(help="Other data than the run's own.")] = None,
    skip_bad: SkipBad = None,
    plugin: Plugin = None,
) -> None:
    """Measure a run's models again, on its own test part or on other data."""
    from limbeck.recipes.evaluation import evaluate_run

    evaluate_run(run, data, _console(), plugins=plugin or [], skip_bad=bool(skip_bad))


@app.command()
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
    _console().print(f"Wrote {page}", highlight=False, markup=False, soft_wrap=True)


@app.command()
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
        epochs=epochs, seeds=seeds, plugins=plugin or [], console=_console(),
    )  # fmt: skip


@app.command()
def export(
    run: Run,
    role: Annotated[
        str | None, typer.Option(help="student, teacher or model; the run's result unless told.")
    ] = None,
    plugin: Plugin = None,
) -> None:
    """Write a run's model as ONNX and as a package, with proof that it computes the same."""
    from limbeck.recipes.exporting import export_run

    export_run(run, role, _console(), plugins=plugin or [])


@app.command()
def cite(run: Run) -> None:
    """Print BibTeX for what a run used."""
    from limbeck.recipes.citing import cite_run

    typer.echo(cite_run(run))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 when all went well; 2 for wrong input, told in a sentence; 130 after Ctrl-C.

    Args:
        arguments: words after ``limbeck``; those of the process unless given.
    """
    try:
        code = app(list(arguments) if arguments is not None else None, standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:
        sentence, code = outcome(error)
        if sentence is None:
            raise
        if sentence:
            print(f"limbeck: {sentence}", file=sys.stderr)
        return code
    if code == STOPPED:  # typer's own answer to Ctrl-C
        print(f"limbeck: {outcome(KeyboardInterrupt())[0]}", file=sys.stderr)
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
