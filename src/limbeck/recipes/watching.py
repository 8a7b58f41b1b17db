"""Progress as a person sees it: bars on a terminal, a line an epoch elsewhere, trackers if asked."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Column

from limbeck.recipes.config import DataSettings
from limbeck.recipes.telling import say
from limbeck.recipes.tracking import Tracking
from limbeck.train.engine import processes
from limbeck.train.watch import Watcher
from limbeck.types import Progress


@dataclass(frozen=True)
class Show:
    """Where progress is shown.

    Args:
        console: a rich console; ``None`` shows nothing.
    """

    console: Console | None = None

    def tell(self, text: str) -> None:
        """Print ``text``, by the first process alone."""
        if self.console is not None and processes()[0] == 0:
            say(self.console, text)


@contextmanager
def watchers_for(
    show: Show, folder: Path, config: DataSettings, trainings: int
) -> Iterator[Sequence[Watcher]]:
    """Yield those who look on while a run's models are trained.

    Args:
        show: where progress is shown.
        folder: of the run, where trackers write.
        config: names the trackers.
        trainings: how many students will be trained.
    """
    with ExitStack() as stack:
        watchers: list[Watcher] = [
            stack.enter_context(Tracking.to(name, folder, config)) for name in config.trackers
        ]
        if show.console is not None:
            if show.console.is_terminal:
                watchers.append(stack.enter_context(TerminalBars(show.console, trainings)))
            else:
                watchers.append(Lines(show.console))
        yield watchers


class TerminalBars:
    """Two bars: trainings of the run, and steps of the present one, with rate, losses, score and time left.

    Args:
        console: a terminal.
        trainings: how many students will be trained.
    """

    def __init__(self, console: Console, trainings: int):
        self.bars = Bars(
            TextColumn("{task.description:<16}"),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn(
                "[dim]{task.fields[said]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
            ),
            expand=True,
            console=console,
            refresh_per_second=4,
        )
        self.whole = self.bars.add_task("trainings", total=trainings, said="")
        self.meter = Meter()

    def __enter__(self) -> "TerminalBars":
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def started(self, label: str, epochs: int, steps_per_epoch: int, progress: Progress) -> None:
        """Show a bar for the training that begins."""
        self.task = self.bars.add_task(
            label, total=epochs * steps_per_epoch, said="", completed=progress.step
        )
        self.meter.start()

    def stepped(self, progress: Progress, parts: dict[str, float], samples: int) -> None:
        """Move the bar, at most some times a second."""
        if self.meter.due(samples):
            self.bars.update(self.task, completed=progress.step, said=self.meter.said(parts))

    def evaluated(self, progress: Progress, row: dict[str, Any]) -> None:
        """Say the validation score."""
        self.meter.score = told_score(row)
        self.bars.update(self.task, completed=progress.step, description=f"{row['role']} seed {row['seed']}")

    def finished(self, label: str) -> None:
        """Put the bar away."""
        self.bars.remove_task(self.task)
        if label != "teacher":
            self.bars.advance(self.whole)


class Lines:
    """A line now and then, for logs and pipes.

    Args:
        console: where lines go.
        seconds: least time between two lines of one training.
    """

    def __init__(self, console: Console, seconds: float = 5.0):
        self.console, self.seconds = console, seconds
        self.meter = Meter()

    def started(self, label: str, epochs: int, steps_per_epoch: int, progress: Progress) -> None:
        """Begin a training."""
        self.meter.start()
        self.epochs, self.begun, self.last = epochs, (time.monotonic(), progress.step), 0.0
        self.parts: dict[str, float] = {}

    def stepped(self, progress: Progress, parts: dict[str, float], samples: int) -> None:
        """Count, to tell the rate."""
        self.meter.due(samples)
        self.parts = parts

    def evaluated(self, progress: Progress, row: dict[str, Any]) -> None:
        """Print a line if the last is some time ago, or this is the end."""
        self.meter.score = told_score(row)
        now = time.monotonic()
        if now - self.last < self.seconds and row["epoch"] < self.epochs:
            return
        self.last = now
        done = max(1, progress.step - self.begun[1])
        left = (now - self.begun[0]) / done * (progress.total_steps - progress.step)
        said = self.meter.said(self.parts)
        about = f"{row['role']} seed {row['seed']} epoch {row['epoch']}/{self.epochs}"
        say(self.console, f"{about}  {said}  {left:.0f} s left")

    def finished(self, label: str) -> None:
        """Nothing to put away."""


class Meter:
    """Rate, loss parts and latest score as one short text."""

    def __init__(self) -> None:
        self.score = ""
        self.start()

    def start(self) -> None:
        """Begin to count."""
        self.samples, self.since, self.shown = 0, time.monotonic(), 0.0
        self.score = ""

    def due(self, samples: int) -> bool:
        """Count samples; return whether it is time to show something again."""
        self.samples += samples
        now = time.monotonic()
        if now - self.shown < 0.2:
            return False
        self.shown = now
        return True

    def said(self, parts: dict[str, float]) -> str:
        """Return what there is to say."""
        rate = self.samples / max(1e-9, time.monotonic() - self.since)
        counted = {name: value for name, value in parts.items() if value != 0}
        losses = " + ".join(f"{name} {value:.3f}" for name, value in counted.items())
        total = f"loss {sum(counted.values()):.3f} = {losses}" if len(counted) > 1 else f"loss {losses}"
        return f"{self.score}  {rate:,.0f} samples/s  {total}".lstrip()


def told_score(row: dict[str, Any]) -> str:
    """Return the first validation score of a history row.

    Example:
        >>> told_score({"val_accuracy": 0.91234})
        'validation accuracy 0.912'
    """
    found = next(((key, value) for key, value in row.items() if key.startswith("val_")), None)
    return f"validation {found[0].removeprefix('val_')} {found[1]:.3f}" if found else ""
