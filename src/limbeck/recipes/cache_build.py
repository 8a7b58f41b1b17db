"""A cache filled ahead of training: every view of every sample asked about once, in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from limbeck.data import Views
from limbeck.data.loader import Loader
from limbeck.data.part import Batching, Part, Reading
from limbeck.errors import LimbeckError
from limbeck.models import Model
from limbeck.recipes.cache_looking import told_size
from limbeck.recipes.candidates import task_for
from limbeck.recipes.config import DistillConfig
from limbeck.recipes.finished import Finished, device_for
from limbeck.recipes.setup import Reader
from limbeck.recipes.telling import say
from limbeck.tasks import Task
from limbeck.teachers import Cached, Frozen
from limbeck.train.engine import processes, wait_for_all

CALIBRATED_ON = 64


@dataclass(frozen=True)
class Pending:
    """The batches that a cache still lacks, in the order of the samples, as a loader reads them.

    Args:
        views: gives the batches.
        indices: (N,) int64, the samples.
        batches: what is to be asked about.
    """

    views: Views
    indices: Tensor
    batches: Sequence[Reading]

    def __len__(self) -> int:
        return len(self.indices)

    def fingerprint(self) -> str:
        """Return a sha256 (hex) of how samples are seen."""
        return self.views.fingerprint()

    def steps(self, epoch: int, batching: Batching) -> list[list[Reading]]:
        """Return the batches, each a step of its own."""
        return [[each] for each in self.batches]


def build_cache(
    run: Path,
    out: Path,
    views: int,
    *,
    console: Console | None = None,
    plugins: Sequence[str | Path] = (),
    batch_size: int = 256,
    workers: int = 0,
    device: str = "auto",
) -> Path:
    """Ask a run's teacher about every view of every sample that students learn from, and keep what it says.

    What is there already is not asked again, so a build that was interrupted goes on.

    Args:
        run: folder of `limbeck train`, whose model is the teacher, or of `limbeck distill`.
        out: folder of the cache.
        views: how many augmentation draws of each sample.
        console: where progress is shown; nowhere unless told.
        plugins: files of the person's own factories, for models that came from one.
        batch_size: samples in a batch, over all processes.
        workers: loading processes.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Returns:
        The folder of the cache.

    Raises:
        LimbeckError: no finished run; a teacher made of several; a folder that holds something else.

    Example:
        >>> build_cache(Path("no/such/run"), Path("cache"), 1)
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: No finished run in no/such/run: the folder does not exist. ...
    """
    console = console or Console(quiet=True)
    finished = Finished.open(run, plugins)
    data = finished.data()
    task = task_for(data)
    model = _teacher(finished, task)
    place = device_for(device)
    model.module.to(place)
    config = finished.config
    reader = Reader(data, {"teacher": model.inputs}, config.mix)
    drawn = reader.feed(config.augment, config.train.seed).train.views
    indices = data.transfer_set if isinstance(config, DistillConfig) else data.train
    precision = config.teacher_precision if isinstance(config, DistillConfig) else "auto"
    frozen = Frozen(model.module, precision=precision)
    frozen.calibrate(reader.few(CALIBRATED_ON).to(place), task)
    with Cached(frozen, out, Part(drawn, indices, cycle=views)) as cached:
        _fill(cached, drawn, indices, views, task, place, batch_size, workers, console)
    if processes()[0] == 0:
        say(console, f"{told_size(out)} Use it with: limbeck distill --cache {out}")
    return out


def _teacher(finished: Finished, task: Task) -> Model:
    data = finished.data()
    if not isinstance(finished.config, DistillConfig):
        return finished.model("model", data)
    return finished.first_teacher(data, task)


def _fill(
    cached: Cached,
    drawn: Views,
    indices: Tensor,
    views: int,
    task: Task,
    device: torch.device,
    batch_size: int,
    workers: int,
    console: Console,
) -> None:
    """Ask about everything that is not there yet."""
    rank, world = processes()
    batches = _lacking(cached, indices, views, batch_size, world)
    wait_for_all()  # all must have looked before the first one writes
    if not batches:
        return
    pending = Pending(drawn, indices, batches)
    loader = Loader(pending, batch_size, workers=workers, rank=rank, world=world, pin=device.type == "cuda")
    with _bar(console, rank) as bar:
        answers = bar.add_task("answers", total=sum(map(len, batches)), rate="")
        for step in loader.epoch(0):
            for share in step.shares:
                cached(share.batch.to(device, non_blocking=True), task)
            speed = bar.tasks[0].speed
            bar.update(answers, advance=step.samples, rate=f"{speed:,.0f}/s" if speed else "")
    loader.close()


def _lacking(cached: Cached, indices: Tensor, views: int, batch_size: int, world: int) -> list[Reading]:
    """Return batches of what is not there, the same in all processes; none smaller than their number."""
    found = []
    for view in range(views):
        ordered = indices.sort().values
        missing = ordered[cached.lacking(ordered, torch.full_like(ordered, view))]
        batches = list(torch.split(missing, batch_size)) if len(missing) else []
        if len(batches) > 1 and len(batches[-1]) < world:
            tail = batches.pop()
            batches[-1] = torch.cat([batches[-1], tail])
        found += [Reading(each, torch.full_like(each, view)) for each in batches]
    if found and min(map(len, found)) < world:
        raise LimbeckError(
            f"{min(map(len, found))} answers are left to ask for, fewer than {world} processes: start one process."
        )
    return found


def _bar(console: Console, rank: int) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
        disable=rank != 0 or not console.is_terminal,
    )
