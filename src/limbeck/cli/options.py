"""The flags that several verbs share, each said once."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path | None, typer.Argument(help="A YAML file of settings; flags win over it.")]
Data = Annotated[
    str | None,
    typer.Option(help="digits, folder:PATH, idx:PATH, csv:PATH#COLUMN, wav:PATH or sklearn:diabetes."),
]
Out = Annotated[Path | None, typer.Option(help="Run folder to make.")]
Resume = Annotated[Path | None, typer.Option(help="Go on with the interrupted run in this folder.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="Any setting: --set kd.temperature=2 (repeatable).")
]
Plugin = Annotated[
    list[Path] | None,
    typer.Option(help="Python file of your own model factories, for plugin:FUNCTION. It is executed."),
]
Seeds = Annotated[int | None, typer.Option(help="How many students are trained.")]
Epochs = Annotated[int | None, typer.Option(help="Passes over the training part.")]
BatchSize = Annotated[int | None, typer.Option(help="Samples in a batch.")]
Rate = Annotated[float | None, typer.Option("--lr", help="Highest learning rate.")]
Augment = Annotated[str | None, typer.Option(help="Augmentation by name; none for none.")]
Mix = Annotated[
    str | None, typer.Option(help="Mix each view with another sample's: mixup-0.2 or cutmix-1.0, with alpha.")
]
ViewsPerDecode = Annotated[
    int | None, typer.Option(help="Decode an image once for so many views of it in a batch.", min=1)
]
Limit = Annotated[int | None, typer.Option(help="Keep only so many training samples.")]
Size = Annotated[int | None, typer.Option(help="Height and width that images are brought to.")]
SkipBad = Annotated[bool | None, typer.Option("--skip-bad", help="Leave out images that cannot be read.")]
Precision = Annotated[str | None, typer.Option(help="fp32, bf16 or fp16, of the student.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")]
Workers = Annotated[int | None, typer.Option(help="Loading processes.")]
Tracker = Annotated[list[str] | None, typer.Option(help="tensorboard or mlflow (repeatable).")]
Run = Annotated[Path, typer.Argument(help="A run folder.")]
Loss = Annotated[
    str | None,
    typer.Option(help="What is taught, as `limbeck losses` lists it; by the number of classes unless told."),
]
Also = Annotated[
    list[str] | None,
    typer.Option(help="A further loss, NAME or NAME=WEIGHT (repeatable); its settings go into a file."),
]
Pair = Annotated[
    list[str] | None,
    typer.Option(
        help="Layers to teach between, STUDENT=TEACHER, as `limbeck layers` shows them (repeatable)."
    ),
]
Temperature = Annotated[
    str | None, typer.Option(help="Of the soft targets: a number, or a schedule such as 'linear(8, 1)'.")
]
KdWeight = Annotated[
    str | None, typer.Option(help="Weight of what the teacher says: a number, or a schedule.")
]
TaskWeight = Annotated[str | None, typer.Option(help="Weight of the hard labels: a number, or a schedule.")]
