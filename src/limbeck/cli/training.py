"""Verbs that train: demo, train, distill."""

from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli.app import console
from limbeck.cli.options import (
    Also,
    Augment,
    BatchSize,
    Config,
    Data,
    Device,
    Epochs,
    KdWeight,
    Limit,
    Loss,
    Mix,
    Out,
    Pair,
    Plugin,
    Precision,
    Rate,
    Resume,
    Seeds,
    Set,
    Size,
    SkipBad,
    TaskWeight,
    Temperature,
    Tracker,
    ViewsPerDecode,
    Workers,
)


def demo(
    out: Annotated[Path, typer.Option(help="Run folder to make.")] = Path("runs/demo"),
    seeds: Annotated[int, typer.Option(help="Paired students.", min=2)] = 8,
) -> None:
    """Distil a small classifier of handwritten digits, in a few minutes on two cores."""
    from limbeck.recipes.demo import demo as run

    run(out, seeds=seeds, console=console())


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
    mix: Mix = None,
    views_per_decode: ViewsPerDecode = None,
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
        "batch_size": batch_size, "lr": lr, "augment": augment, "mix": mix,
        "views_per_decode": views_per_decode, "limit": limit, "size": size, "skip_bad": skip_bad,
        "precision": precision, "device": device, "workers": workers, "trackers": tracker,
    }  # fmt: skip
    from limbeck.recipes.command import run_train
    from limbeck.recipes.settings import layers_of, place_of

    place = place_of(out, resume)
    layers = layers_of("train", config, resume, flags, assign)

    run_train(layers, place, plugins=plugin or [], resume=resume is not None, console=console())


def distill(
    config: Config = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            help="timm:NAME, torchvision:NAME, run:DIR, cnn:16-32, mlp:64-64, plugin:FUNCTION (repeatable)."
        ),
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
    scheme: Annotated[
        str | None, typer.Option(help="Who teaches whom, as `limbeck schemes` lists it; Offline unless told.")
    ] = None,
    unlabelled: Annotated[
        str | None,
        typer.Option(help="Samples without labels: folder:PATH, or any data, whose labels are not read."),
    ] = None,
    labels: Annotated[
        float | None,
        typer.Option(help="How many training samples keep their labels: a share below 1, or a number."),
    ] = None,
    ratio: Annotated[
        float | None, typer.Option(help="Unlabelled samples for each labelled one in a batch.")
    ] = None,
    loss: Loss = None,
    also: Also = None,
    pair: Pair = None,
    temperature: Temperature = None,
    kd_weight: KdWeight = None,
    task_weight: TaskWeight = None,
    cache_views: Annotated[
        int | None,
        typer.Option(help="Keep the teacher's answers for so many augmentation draws of each sample.", min=1),
    ] = None,
    cache: Annotated[
        str | None, typer.Option(help="Folder of a cache to read or to make; one in the run unless told.")
    ] = None,
    no_alone: Annotated[bool, typer.Option("--no-alone", help="Do not train the student alone too.")] = False,
    seeds: Seeds = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    lr: Rate = None,
    augment: Augment = None,
    mix: Mix = None,
    views_per_decode: ViewsPerDecode = None,
    limit: Limit = None,
    size: Size = None,
    skip_bad: SkipBad = None,
    precision: Precision = None,
    device: Device = None,
    workers: Workers = None,
    tracker: Tracker = None,
) -> None:
    """Distil a teacher into a student, and prove what that gained and cost."""
    from limbeck.recipes.flags import also_of, amount_of

    flags = {
        "teacher": teacher[0] if teacher else None, "teachers": (teacher or [])[1:] or None, "scheme": scheme,
        "unlabelled": unlabelled, "labels": labels, "ratio": ratio, "student": student,
        "data": data, "teacher_weights": teacher_weights,
        "teacher_pretrained": teacher_pretrained, "student_pretrained": student_pretrained, "loss": loss,
        "also": also_of(also), "pairs": pair, "temperature": amount_of(temperature),
        "kd_weight": amount_of(kd_weight), "task_weight": amount_of(task_weight),
        "cache_views": cache_views, "cache": cache,
        "alone": False if no_alone else None, "seeds": seeds, "epochs": epochs, "batch_size": batch_size, "lr": lr,
        "augment": augment, "mix": mix,
        "views_per_decode": views_per_decode, "limit": limit, "size": size, "skip_bad": skip_bad,
        "precision": precision, "device": device, "workers": workers, "trackers": tracker,
    }  # fmt: skip
    from limbeck.recipes.command import run_distill
    from limbeck.recipes.settings import layers_of, place_of

    place = place_of(out, resume)
    layers = layers_of("distill", config, resume, flags, assign)

    run_distill(layers, place, plugins=plugin or [], resume=resume is not None, console=console())
