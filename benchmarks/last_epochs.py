"""R9: self-distillation in the last epochs: the same network, and no teacher trained first.

The claim to be shown again has no figure; the nearest published method, Snapshot Distillation (Yang, Xie, Su, Yuille
2019, arXiv 1812.00123), gains +1 to +2 points on CIFAR-100 with restarted learning rates.

Here: a small convolutional net on a part of Fashion-MNIST at 14 pixels, augmented, from labels alone and by
`LastEpochs`, whose snapshot teaches the last part. Same initial weights, order, augmentation and epochs for the same
seed, so that both are one network until the snapshot is taken. START, temperature and weight are the best of a
few (--choose) by validation accuracy on three seeds that are not among those reported. Last epoch, test accuracy.

Budget: 8 minutes of one core, --choose another 6. It can be killed and started again: it resumes by itself.

    python benchmarks/last_epochs.py --data-root DATA
"""

import argparse
import os
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from limbeck import Classification, LimbeckError, Plan, Scheme, Supervised, Term, fit, losses
from limbeck.data import Data, Views, augmentation, open_data
from limbeck.data import fit as fit_inputs
from limbeck.data.loader import Loader, Part
from limbeck.evaluate import evaluate, paired_gain
from limbeck.evaluate.quality import predictor
from limbeck.models import open_model
from limbeck.schemes import LastEpochs
from limbeck.train import Feed
from record import environment, write_record

NAME = "last_epochs"
NET, IMAGES, SIDE = "cnn:16-32-64", 3000, 14
PLAN = {"epochs": 24, "batch_size": 64, "lr": 3e-3, "select": "last", "evaluate_every": 24}


@dataclass(frozen=True)
class Way:
    """When the snapshot teaches, and how much.

    Args:
        start: share of the steps after which it does.
        temperature: of KD.
        weight: of KD; the labels get the rest.
    """

    start: float = 0.7
    temperature: float = 2.0
    weight: float = 0.5

    def __str__(self) -> str:
        return f"start {self.start:g}, T {self.temperature:g}, weight {self.weight:g}"


CHOSEN = Way(0.9)
TRIED = (
    *(Way(0.5), Way(0.75), Way(0.5, 4.0, 0.9), Way(0.75, 4.0, 0.9)),
    *(Way(0.75, 1.0, 0.5), Way(0.75, 2.0, 0.2), Way(0.9), Way(0.9, 1.0, 0.2)),
)
CHOOSING_SEEDS = (100, 101, 102)


@dataclass(frozen=True)
class Setting:
    """Data, and where work is kept."""

    data: Data
    work: Path

    def part(self, indices: Tensor, augment: str = "none", seed: int = 0) -> Part:
        """Return samples as the networks read them."""
        data = self.data
        wanted = fit_inputs(data.source, data.train, data.shape)
        views = Views(data.source, augmentation(augment, data.canvas), wanted, seed=seed, canvas=data.canvas)
        return Part(views, indices)

    def scores(self, way: Way | None, seed: int, indices: Tensor) -> dict[str, float]:
        """Train one network, from labels alone where there is no way, and return its scores on ``indices``."""
        torch.manual_seed(seed)
        net = open_model(NET, outputs=10, shape=self.data.shape).module
        scheme: Scheme = Supervised(net)
        if way is not None:
            taught = Term(losses.KD(way.temperature), weight=way.weight)
            scheme = LastEpochs(net, [taught], task_weight=1 - way.weight, start=way.start)
        feed = Feed(self.part(self.data.train, "crop-flip-1", seed), self.part(self.data.validation))
        words = "".join(each if each.isalnum() else "-" for each in f"{way or 'labels'} {seed}")
        run = fit(scheme, feed, Plan(**PLAN, seed=seed), folder=self.work / words, resume=True)
        task = Classification()
        return evaluate(predictor(run.model, task), Loader(self.part(indices), 500), task, full=False).scores


def choose(setting: Setting) -> None:
    """Print what each way tried gains on validation."""
    held_out = setting.data.validation
    alone = [setting.scores(None, seed, held_out)["accuracy"] for seed in CHOOSING_SEEDS]
    print(f"labels: {statistics.fmean(alone):.4f}", flush=True)
    for way in TRIED:
        found = [setting.scores(way, seed, held_out)["accuracy"] for seed in CHOOSING_SEEDS]
        print(f"{way}: {paired_gain(found, alone, None).mean:+.4f}", flush=True)


def compared(setting: Setting, seeds: int) -> dict[str, Any]:
    """Return both contenders' test scores and the paired gain."""
    found: dict[str, list[dict[str, float]]] = {"labels": [], "last epochs": []}
    for seed in range(seeds):
        for name, scores in found.items():
            way = None if name == "labels" else CHOSEN
            scores.append(setting.scores(way, seed, setting.data.test))
            print(f"seed {seed}, {name}: {scores[-1]}", flush=True)
    gains = {}
    for metric, higher in (("accuracy", True), ("nll", False)):
        new, old = ([each[metric] for each in found[name]] for name in ("last epochs", "labels"))
        gains[metric] = asdict(paired_gain(new, old, None, higher))
    return {"scores": found, "gains": gains}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", default=os.environ.get("LIMBECK_DATA", "../shared/data"))
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "limbeck-last-epochs")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--choose", action="store_true", help="print what TRIED gives on validation")
    arguments = parser.parse_args()
    data = open_data(f"idx:{Path(arguments.data_root) / 'fashion-mnist'}", limit=IMAGES, size=SIDE)
    setting = Setting(data, arguments.work)
    if arguments.choose:
        choose(setting)
        return 0
    figures = compared(setting, arguments.seeds)
    for metric, gain in figures["gains"].items():
        print(metric, gain)
    about = {"net": NET, "images": IMAGES, "pixels": SIDE, "plan": PLAN, "way": asdict(CHOSEN)}
    write_record(NAME, {"environment": environment(), "settings": about, "figures": figures})
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LimbeckError as error:
        sys.exit(f"{NAME}: {error}")
