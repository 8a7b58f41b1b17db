"""Whole trainings from a cache against trainings that ask the teacher at every step: accuracy, forwards, time.

A convolutional student on 10,000 images of Fashion-MNIST, shifted by up to an eighth of their side, 30 epochs, KD at
T = 2 from a larger net trained on the same images. Four caches keep V = 1, 2, 4 and 8 views of each image.

Accuracy, at 14 pixels: the same initial weights and order of samples for the same seed, whichever way the teacher is
asked; views are those of the seed; each seed fills caches of its own. Last epoch, test accuracy, differences paired
by seed. Nothing was chosen on these figures.

Time, at 28 pixels: plain training, asking at every step, and V = 4, in turns, on a quiet machine, whole calls of
``fit``, opening and filling included. If answers cost what they cost at every step, V = 4 over 30 epochs should take

    plain + (online − plain) / 7.5

Budget: 15 minutes of one core (--only accuracy), 10 minutes of a quiet one (--only time). Trainings for accuracy are
kept in --work and not repeated.

    python benchmarks/cache_training.py --data-root DATA
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from limbeck import Classification, Frozen, LimbeckError, Offline, Plan, Scheme, Supervised, Term, fit, losses
from limbeck.data import Data, Views, augmentation, open_data
from limbeck.data import fit as fit_inputs
from limbeck.data.loader import Loader, Part
from limbeck.evaluate import evaluate, paired_gain
from limbeck.evaluate.quality import predictor
from limbeck.files import write_text
from limbeck.models import open_model
from limbeck.teachers import Cached
from limbeck.train import Feed
from limbeck.train.loop import Run
from record import Goal, keep

TEACHER, STUDENT, IMAGES = "cnn:24-48-96", "cnn:16-32", 10_000
EPOCHS, TEACHER_EPOCHS, BATCH, LR = 30, 15, 64, 3e-3
TEMPERATURE, KD_WEIGHT = 2.0, 0.9
SMALL, LARGE = 14, 28
"""Sides of the images, in pixels: for many trainings, and for few that are timed."""
VIEWS = (1, 2, 4, 8)
CHOSEN = 4
POINTS, FORWARDS, TIME = 0.1, EPOCHS / CHOSEN, 1.05


@dataclass(frozen=True)
class Setting:
    """Data, the trained teacher, and where work is kept."""

    data: Data
    teacher: nn.Module
    work: Path

    def part(self, indices: Tensor, seed: int = 0, cycle: int | None = None, plain: bool = False) -> Part:
        """Return samples as all networks read them."""
        data = self.data
        drawn = None if plain else augmentation("shift", data.canvas)
        inputs = fit_inputs(data.source, data.train, data.shape)
        return Part(Views(data.source, drawn, inputs, seed, data.canvas), indices, cycle)

    def train(self, way: str, seed: int) -> tuple[Run, int]:
        """Train one student; ``plain``, ``online``, or the number of views; return also the teacher's forwards."""
        torch.manual_seed(seed)
        net = open_model(STUDENT, outputs=10, shape=self.data.shape).module
        frozen = Frozen(self.teacher, precision="fp32")
        plan = Plan(epochs=EPOCHS, batch_size=BATCH, lr=LR, seed=seed, select="last", device="cpu")
        terms = [Term(losses.KD(TEMPERATURE), weight=KD_WEIGHT)]
        if way in ("plain", "online"):
            part = self.part(self.data.train, seed)
            scheme: Scheme = (
                Supervised(net) if way == "plain" else Offline(net, frozen, terms, task_weight=1 - KD_WEIGHT)
            )
            run = fit(scheme, Feed(part), plan)
            return run, run.teacher_forwards
        part = self.part(self.data.train, seed, cycle=int(way))
        with tempfile.TemporaryDirectory() as folder, Cached(frozen, Path(folder) / "cache", part) as known:
            run = fit(Offline(net, known, terms, task_weight=1 - KD_WEIGHT), Feed(part), plan)
        return run, run.teacher_forwards

    def accuracy(self, model: nn.Module) -> float:
        """Return the accuracy on the test part."""
        task, batches = Classification(), Loader(self.part(self.data.test, plain=True), 500)
        return evaluate(predictor(model, task), batches, task, full=False).scores["accuracy"]


def opened(root: Path, work: Path, side: int) -> Setting:
    """Open the data and train the teacher, or find it trained."""
    data = open_data(f"idx:{root / 'fashion-mnist'}", limit=IMAGES, size=side)
    torch.manual_seed(0)
    net = open_model(TEACHER, outputs=10, shape=data.shape).module
    setting = Setting(data, net, work)
    plan = Plan(epochs=TEACHER_EPOCHS, batch_size=BATCH, lr=LR, select="last", device="cpu")
    feed = Feed(setting.part(data.train))
    return Setting(
        data, fit(Supervised(net), feed, plan, folder=work / f"teacher-{side}", resume=True).model, work
    )


def scored(setting: Setting, way: str, seed: int) -> dict[str, float]:
    """Return a training's accuracy and forwards, made once."""
    kept = setting.work / f"{way}-{seed}.json"
    if not kept.exists():
        run, forwards = setting.train(way, seed)
        found = {"accuracy": setting.accuracy(run.model), "forwards": forwards}
        write_text(kept, json.dumps(found))
        print(f"{way}, seed {seed}: {found}", flush=True)
    found = json.loads(kept.read_text(encoding="utf-8"))
    return {"accuracy": float(found["accuracy"]), "forwards": float(found["forwards"])}


def accuracies(setting: Setting, seeds: int) -> tuple[dict[str, Any], list[Goal]]:
    """Return what every number of views does to accuracy, over ``seeds`` paired seeds."""
    ways = ("plain", "online", *map(str, VIEWS))
    found = {way: [scored(setting, way, seed) for seed in range(seeds)] for way in ways}
    scores = {way: [each["accuracy"] for each in values] for way, values in found.items()}
    over = {way: paired_gain(scores[way], scores["online"], None) for way in ways if way != "online"}
    forwards = {way: statistics.fmean(each["forwards"] for each in values) for way, values in found.items()}
    for way, each in over.items():
        print(f"{way} over online: {100 * each.mean:+.2f} points {each.ci95}", flush=True)
    gain = over[str(CHOSEN)]
    half = 0.0 if gain.ci95 is None else 100 * (gain.ci95[1] - gain.ci95[0]) / 2
    figures = {
        "seeds": seeds,
        "accuracy": scores,
        "over_online": {way: asdict(each) for way, each in over.items()},
        "forwards": forwards,
    }
    goals = [
        # at most 0.1 point, or no more than its own interval is wide on either side
        Goal(f"V = {CHOSEN}: points from online", 100 * abs(gain.mean), max(POINTS, half)),
        Goal(
            f"V = {CHOSEN}: times fewer forwards",
            forwards["online"] / forwards[str(CHOSEN)],
            FORWARDS,
            at_most=False,
        ),
    ]
    return figures, goals


def times(setting: Setting, rounds: int) -> tuple[dict[str, Any], list[Goal]]:
    """Return how long whole trainings take, against what the forwards saved predict."""
    ways = ("plain", "online", str(CHOSEN))
    wall: dict[str, list[float]] = {way: [] for way in ways}
    cpu: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds):
        for way in ways if number % 2 == 0 else ways[::-1]:
            before = (time.perf_counter(), time.process_time())
            setting.train(way, number)
            wall[way].append(time.perf_counter() - before[0])
            cpu[way].append(time.process_time() - before[1])
        print({way: round(each[-1], 1) for way, each in wall.items()}, flush=True)
    ratios = {name: _over_predicted(clock) for name, clock in (("wall", wall), ("cpu", cpu))}
    figures = {"rounds": rounds, "seconds": wall, "cpu_seconds": cpu, "over_predicted": ratios}
    return figures, [Goal("V = 4: time over what it should take", statistics.median(ratios["wall"]), TIME)]


def _over_predicted(clock: dict[str, list[float]]) -> list[float]:
    rows = zip(clock["plain"], clock["online"], clock[str(CHOSEN)], strict=True)
    return [mine / (plain + (online - plain) / FORWARDS) for plain, online, mine in rows]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", default=os.environ.get("LIMBECK_DATA", "../shared/data"))
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "limbeck-cache-training")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["accuracy", "time"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    root = Path(options.data_root)
    about = {"teacher": TEACHER, "student": STUDENT, "images": IMAGES, "epochs": EPOCHS, "batch": BATCH}
    fairness = (__doc__ or "").split("\n\n", 1)[1]
    if options.only != "time":
        figures, goals = accuracies(opened(root, options.work, SMALL), options.seeds)
        keep("cache_accuracy", {**about, **figures}, goals, fairness, quick=False)
    if options.only != "accuracy":
        figures, goals = times(opened(root, options.work, LARGE), options.rounds)
        keep("cache_time", {**about, **figures}, goals, fairness, quick=False)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LimbeckError as error:
        sys.exit(f"cache_training: {error}")
