"""Training on large JPEGs, where decoding is most of the work: several views for each image that is decoded.

What was done to be fair:

- A folder of JPEGs of 1,280 × 960 pixels, made of smooth noise at quality 90, that a small net reads at 64 pixels;
  windows of 25 to 100 % of the area, mirrored (`resized-crop-flip`, the default for folders).
- *plain* trains on labels alone, one view of each decoded image, as any loop does. *four views* distils from a cache
  that is complete (KD and labels), with four views of each decoded image in a batch (`--views-per-decode 4`). Both
  take as many steps of as many samples; images are loaded in the training's own process, or in two others.
- *cached*, beside them, distils from the same cache with one view for each decoded image: what the cache alone costs.
- Timed are whole epochs inside one training, by the loop's own clock, all but the first four; rounds alternate;
  median and quartiles of ratios within a round.

    python benchmarks/decode_bound.py
"""

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from limbeck import Frozen, Offline, Plan, Scheme, Supervised, Term, fit, losses
from limbeck.data import Views, augmentation, open_data
from limbeck.data import fit as fit_inputs
from limbeck.data.loader import Part
from limbeck.models import open_model
from limbeck.teachers import Cached
from limbeck.train import Feed
from paired import Times
from record import Goal, keep

WIDTH, HEIGHT, SIDE, CLASSES = 1280, 960, 64, 4
VIEWS, BATCH, EPOCHS, UNTIMED = 4, 32, 8, 4
WAYS = ("plain", "four views", "cached")


def make_folder(place: Path, images: int) -> Path:
    """Write JPEGs of smooth noise, a folder for each class."""
    generator = np.random.default_rng(0)
    for number in range(images):
        folder = place / f"class-{number % CLASSES}"
        folder.mkdir(parents=True, exist_ok=True)
        small = generator.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
        image = Image.fromarray(small).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        image.save(folder / f"{number:04d}.jpg", quality=90)
    return place


class Turns:
    """Takes one turn of each contender.

    Args:
        folder: of the images.
        work: where the cache lies.
        workers: loading processes.
    """

    def __init__(self, folder: Path, work: Path, workers: int):
        self.data = open_data(f"folder:{folder}", size=SIDE)
        self.work, self.workers = work, workers
        inputs = fit_inputs(self.data.source, self.data.train, self.data.shape)
        drawn = augmentation("resized-crop-flip", self.data.canvas)
        self.views = Views(self.data.source, drawn, inputs, canvas=self.data.canvas)
        torch.manual_seed(0)
        self.teacher = open_model("cnn:16-32-64", outputs=CLASSES, shape=self.data.shape).module
        self.frozen = Frozen(self.teacher, precision="fp32")

    def __call__(self, way: str) -> float:
        torch.manual_seed(1)
        student = open_model("cnn:8-16", outputs=CLASSES, shape=self.data.shape).module
        each = VIEWS if way == "four views" else 1
        cycle = None if way == "plain" else VIEWS
        part = Part(self.views, self.data.train, cycle, views_per_decode=each)
        plan = Plan(epochs=EPOCHS, batch_size=BATCH, select="last", device="cpu", workers=self.workers)
        if way == "plain":
            return self._timed(Supervised(student), part, plan)
        with Cached(self.frozen, self.work / "cache", part) as known:
            scheme = Offline(student, known, [Term(losses.KD(4.0), weight=0.9)], task_weight=0.1)
            return self._timed(scheme, part, plan)

    def _timed(self, scheme: Scheme, part: Part, plan: Plan) -> float:
        history = fit(scheme, Feed(part), plan).history
        return float(history[-1]["seconds"] - history[UNTIMED - 1]["seconds"])


def measured(folder: Path, work: Path, workers: int, rounds: int) -> Times:
    """Return every contender's seconds, after a round that is not counted and fills the cache."""
    turns = Turns(folder, work / f"workers-{workers}", workers)
    turns.work.mkdir()
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(rounds + 1):
        for way in WAYS if number % 2 == 0 else WAYS[::-1]:
            seconds = turns(way)
            if number:
                times[way].append(seconds)
    return Times(times, times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="two rounds: a smoke test, not a measurement")
    options = parser.parse_args()
    torch.set_num_threads(1)
    figures: dict[str, Any] = {"images": options.images, "pixels": [WIDTH, HEIGHT], "batch": BATCH}
    goals = []
    with tempfile.TemporaryDirectory() as work:
        folder = make_folder(Path(work) / "images", options.images)
        for workers in (0, 2):
            times = measured(folder, Path(work), workers, 2 if options.quick else options.rounds)
            four, cached = times.ratio("four views", "plain"), times.ratio("cached", "plain")
            print(f"{workers} workers: four views / plain {four}, cached / plain {cached}", flush=True)
            figures[f"{workers} workers"] = {
                "four_views_over_plain": asdict(four),
                "cached_over_plain": asdict(cached),
                "seconds": times.wall,
            }
            goals.append(Goal(f"four views for each image / plain, {workers} workers", four.median, 1.0))
    keep("decode_bound", figures, goals, (__doc__ or "").split("What was done to be fair:")[1], options.quick)


if __name__ == "__main__":
    main()
