"""Which temperature and which weight: students trained with several, compared on validation alone."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from limbeck.data import Data
from limbeck.errors import LimbeckError, Stopped
from limbeck.evaluate import paired_gain
from limbeck.files import write_text
from limbeck.models.model import Inputs
from limbeck.recipes.candidates import Candidate
from limbeck.recipes.config import DistillConfig
from limbeck.recipes.setup import Reader
from limbeck.recipes.temperature_points import Point, own_point
from limbeck.recipes.watching import Show, watchers_for
from limbeck.report import formats
from limbeck.report.record import Difference, Score
from limbeck.report.temperature_record import Search, Trial
from limbeck.schemes import Offline, Term
from limbeck.tasks import Task
from limbeck.teachers import Frozen
from limbeck.train import Run, fit
from limbeck.train.checkpoint import differences
from limbeck.train.interrupt import Interrupted
from limbeck.train.state import CIRCUMSTANCES

TRIED = {"temperature", "task_weight", "kd_weight"}
ASIDE = {"seeds", "trackers", "alone"}
"""Settings of a run that change no single training of the search."""


@dataclass(frozen=True)
class Searching:
    """A search with everything open; the test part is taken out of the data, so that nothing here can read it.

    Args:
        config: the run's settings, made by :func:`configured`.
        points: what to try.
        teacher: ready to teach.
        inputs: what the teacher wants to be fed.
        student: the student's door.
        task: what the labels mean.
        folder: where each training has its own.
    """

    config: DistillConfig
    points: Sequence[Point]
    teacher: Frozen
    inputs: Inputs
    student: Candidate
    task: Task
    folder: Path

    @classmethod
    def of(
        cls,
        config: DistillConfig,
        points: Sequence[Point],
        teacher: tuple[Frozen, Inputs],
        data: Data,
        task: Task,
        folder: Path,
        plugins: Sequence[str | Path] = (),
    ) -> "Searching":
        """Open the student and check that a search begun in ``folder`` may go on.

        Raises:
            LimbeckError: no such student; the folder holds a search with other settings.
        """
        data = replace(data, test=data.test[:0])
        student = Candidate(
            config.student,
            "student",
            data,
            task,
            config.student_weights,
            config.student_pretrained,
            config.student_size,
            [str(each) for each in plugins],
        )
        student.open(config.train.seed)
        found = cls(config, points, *teacher, student, task, folder)
        found.begin()
        return found

    @property
    def seeds(self) -> list[int]:
        """Seeds of the students, the same for every point."""
        first = self.config.train.seed
        return list(range(first, first + self.config.seeds))

    def begin(self) -> None:
        """Write down what all trainings share, or check that it is what it was.

        Raises:
            LimbeckError: it differs; each difference is named.
        """
        shared = self.config.model_dump(
            mode="json", exclude={**dict.fromkeys(ASIDE, True), "kd": TRIED, "train": CIRCUMSTANCES}
        )
        shared |= {
            "fingerprints": {"teacher": self.teacher.fingerprint(), "data": self.student.data.fingerprint()}
        }
        path = self.folder / "settings.json"
        if not path.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text(path, json.dumps(shared, indent=2) + "\n")
            return
        changed = differences(json.loads(path.read_text(encoding="utf-8")), shared)
        if changed:
            raise LimbeckError(
                f"The search in {self.folder} cannot go on with changed settings ({'; '.join(changed)}): put them "
                "back, or begin another with --out."
            )

    def left(self) -> int:
        """Return how many trainings are still to be done."""
        return sum(not self.done(point, seed).is_file() for point in self.points for seed in self.seeds)

    def done(self, point: Point, seed: int) -> Path:
        """Return the file that holds a finished training's score."""
        return self.folder / point.name / f"seed-{seed}" / "score.json"

    def run(self, show: Show) -> list[list[float]]:
        """Train what is still to be trained, and return each point's validation scores, one for each seed.

        Raises:
            Stopped: the person asked to stop.
        """
        try:
            with watchers_for(show, self.folder, self.config, self.left()) as watchers:
                return [[self.score(point, seed, watchers) for seed in self.seeds] for point in self.points]
        except Interrupted as error:
            raise Stopped(
                "Stopped. Give the same command again to go on; what is trained is kept."
            ) from error

    def score(self, point: Point, seed: int, watchers: Any) -> float:
        """Return one student's validation score, training it first unless that was done before."""
        done = self.done(point, seed)
        if done.is_file():
            return float(json.loads(done.read_text(encoding="utf-8"))["score"])
        run = self.train(point, seed, done.parent, watchers)
        score = selected_score(run, self.task, self.config.train.select)
        write_text(done, json.dumps({"score": score, "history": run.history}, indent=1) + "\n")
        for checkpoint in done.parent.glob("*.pt"):  # a grid of them would fill the disk
            checkpoint.unlink()
        return score

    def train(self, point: Point, seed: int, folder: Path, watchers: Any) -> Run:
        """Train one student as the run would, but for its temperature and weights."""
        model = self.student.open(seed)
        knowledge = self.config.kd.model_copy(update={"temperature": point.temperature})
        name = self.task.outputs[0]
        term = Term(knowledge.build(), student=name, teacher=name, weight=point.kd_weight)
        reader = Reader(self.student.data, {"student": model.inputs, "teacher": self.inputs})
        return fit(
            Offline(model.module, self.teacher, [term], self.task, point.task_weight),
            reader.feed(self.config.augment, seed),
            self.config.train.model_copy(update={"seed": seed}),
            folder=folder,
            resume=True,
            watchers=watchers,
            label=point.name,
        )


def selected_score(run: Run, task: Task, select: str) -> float:
    """Return the validation score of the epoch whose weights are kept."""
    scores = [row[f"val_{task.metric}"] for row in run.history if f"val_{task.metric}" in row]
    if select == "last":
        return float(scores[-1])
    return float(max(scores) if task.higher_is_better else min(scores))


def found(searching: Searching, scores: Sequence[Sequence[float]], command: Any) -> Search:
    """Return the search's record.

    Args:
        searching: the search.
        scores: for each point, one for each seed.
        command: gives the command line for a point.
    """
    task, points = searching.task, list(searching.points)
    own = next(at for at, each in enumerate(points) if each.name == own_point(searching.config).name)
    sign = 1 if task.higher_is_better else -1
    best = max(range(len(points)), key=lambda at: (sign * statistics.fmean(scores[at]), at == own))
    gains = [paired_gain(each, scores[own], None, task.higher_is_better) for each in scores]
    trials = [
        Trial(
            temperature=point.temperature,
            kd_weight=point.kd_weight,
            task_weight=point.task_weight,
            score=_score(values),
            over_own=None if at == own else Difference(mean=gains[at].mean, ci95=gains[at].ci95),
        )
        for at, (point, values) in enumerate(zip(points, scores, strict=True))
    ]
    helped = gains[best].verdict == "helped"
    return Search(
        student=searching.config.student,
        metric=task.metric,
        higher_is_better=task.higher_is_better,
        seeds=searching.seeds,
        epochs=searching.config.train.epochs,
        trials=trials,
        own=own,
        best=best,
        verdict="own is best" if best == own else "helped" if helped else "no evidence",
        sentence=_sentence(points, trials, best, own, helped, task.metric, len(searching.seeds)),
        command=command(points[best]),
    )


def _score(values: Sequence[float]) -> Score:
    spread = statistics.stdev(values) if len(values) > 1 else None
    return Score(mean=statistics.fmean(values), std=spread, values=list(values))


def _sentence(
    points: Sequence[Point],
    trials: Sequence[Trial],
    best: int,
    own: int,
    helped: bool,
    metric: str,
    seeds: int,
) -> str:
    name = formats.metric_name(metric)
    if best == own:
        return (
            f"The run's own {points[own]} has the best validation {name} of the {len(points)} settings tried."
        )
    difference = trials[best].over_own
    assert difference is not None
    unit = f"points of validation {name}" if formats.is_fraction(metric) else f"of validation {name}"
    gain = f"{formats.points(metric, difference.mean)} {unit}"
    if difference.ci95 is None:
        return (
            f"{points[best]} is best, {gain} over the run's own {points[own]}, but a single seed cannot tell that "
            "from noise: give --seeds 3 or more."
        )
    low, high = (formats.points(metric, end) for end in difference.ci95)
    interval = f"95 % interval {low} to {high}, {seeds} paired seeds"
    if not helped:
        return (
            f"{points[best]} is best, but within noise of the run's own {points[own]}: {gain} ({interval}). "
            "There is no evidence for a change."
        )
    return (
        f"{points[best]} beats the run's own {points[own]}: {gain} ({interval}). It is the best of {len(points)} "
        "tried, which flatters it: expect somewhat less on new data."
    )
