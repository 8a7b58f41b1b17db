"""R4: Hinton, Vinyals, Dean 2015, section 4, on spoken digits: one network in place of ten.

Published, frame accuracy and word error: one network of a speech recogniser 58.9 % and 10.9 %; the average of ten with
other initial weights 61.1 and 10.7; one network taught by the ten 60.8 and 10.7: 86 % of the ensemble's gain kept.

Here the recordings are fsdd's (4 speakers, 10 digits, 2,000 recordings), a frame's class is the third of the digit that
it lies in, and a network is an mlp of 256-256 that reads 21 frames of 40 log-mel values. All learn from a quarter of
the training recordings, every fourth of them; the other three quarters are tested on, beside the data's own test part
of 200 recordings, for on those alone noise hides the gain: ten networks are only about half a point better than one.
Networks of 64-64 were given up on validation: there ten are 1.6 points better, of which one as small keeps a tenth.

The single networks and the ten train with the dropout and for the epochs that are best on validation, of a few; the
distilled ones with the temperature, the labels' weight, the dropout and for the epochs that are, tried by networks with
initial weights of their own. The test part is read after all choices. The interval of the share of the gain that is
kept is a bootstrap's over test recordings, single networks and distilled networks, with the ten as they are.

Budget: 15 minutes of one core. It can be killed and started again: what is in --work is not trained again.

    python benchmarks/hinton_speech.py --data-root DATA
"""

import argparse
import os
import statistics
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from limbeck import Batch, LimbeckError, Offline, Outputs, Plan, Scheme, Supervised, Term, fit, losses
from limbeck.data import Data, Standardise, Views, open_data
from limbeck.data import fit as standardised
from limbeck.data.frames import FrameSource
from limbeck.data.loader import Part
from limbeck.models.small import mlp
from limbeck.tasks import Frames
from limbeck.teachers import Ensemble
from limbeck.train import Feed
from record import Goal, keep
from remembered import Remembered, kept, logits_of

PUBLISHED = {
    "frame_accuracy": {"one network": 0.589, "ensemble": 0.611, "distilled": 0.608},
    "word_error": {"one network": 0.109, "ensemble": 0.107, "distilled": 0.107},
    "gain_kept": 0.86,
}
GOAL = 0.80
MEMBERS, STUDENTS = 10, 5
WIDTHS, EVERY = (256, 256), 4
LABEL_SEEDS, SOFT_SEEDS = (0, 1), (100, 101)
PLAN = {"batch_size": 256, "lr": 2e-3, "weight_decay": 0.01, "select": "last", "device": "cpu"}
DRAWS = 2000


@dataclass(frozen=True)
class Lesson:
    """How a network learns.

    Args:
        epochs: passes over the training frames.
        dropout: of hidden units.
        temperature: of the soft targets; ``None`` where there are only labels.
        labels: weight of the labels beside soft targets, which get the rest.
    """

    epochs: int
    dropout: float = 0.0
    temperature: float | None = None
    labels: float = 0.0

    def __str__(self) -> str:
        told = "labels" if self.temperature is None else f"soft {self.temperature:g} {self.labels:g}"
        return f"{told}, {self.epochs} epochs, dropout {self.dropout:g}"


OF_LABELS = (
    Lesson(10),
    Lesson(20),
    *(Lesson(epochs, dropout) for epochs in (10, 20, 40) for dropout in (0.3, 0.5)),
)
OF_TEN = (
    *(Lesson(40, dropout, temperature) for dropout, temperature in ((0.1, 1.0), (0.1, 2.0), (0.2, 1.0))),
    Lesson(40, 0.1, 1.0, 0.5),
)


class Networks:
    """Networks trained once, kept as their logits of every frame.

    Args:
        data: the recordings.
        work: where logits are kept.
    """

    def __init__(self, data: Data, work: Path):
        self.data, self.work = data, work
        self.task = Frames.of(data)
        inputs = standardised(data.source, data.train, data.shape)
        assert isinstance(inputs, Standardise)
        self.views = Views.plain(data, inputs)

    def taught(self, lesson: Lesson, seed: int, known: Tensor | None = None) -> Tensor:
        """Return the logits of a network that learnt from labels, or by the ensemble whose logits are ``known``."""

        def train() -> Tensor:
            torch.manual_seed(seed)
            net = mlp(WIDTHS, len(self.data.classes or ()), self.data.shape, lesson.dropout)
            plan = Plan(**PLAN, epochs=lesson.epochs, seed=seed)
            fit(self._scheme(net, lesson, known), Feed(Part(self.views, self.data.train)), plan)
            return logits_of(net, Part(self.views, torch.arange(len(self.data.source))))

        words = "".join(each if each.isalnum() else "-" for each in f"{lesson} {seed}")
        logits = kept(self.work / f"{words}.pt", train)
        print(f"{lesson}, seed {seed}: {self.validated(logits):.2%} of the validation frames", flush=True)
        return logits

    def _scheme(self, net: nn.Module, lesson: Lesson, known: Tensor | None) -> Scheme:
        if known is None or lesson.temperature is None:
            return Supervised(net, self.task)
        terms = [Term(losses.KD(lesson.temperature), weight=1 - lesson.labels)]
        return Offline(net, Remembered(known), terms, self.task, lesson.labels)

    def ensemble(self, members: Sequence[Tensor]) -> Tensor:
        """Return the logits of the members' averaged probabilities."""
        frames = torch.arange(len(self.data.source))
        every = Batch(torch.zeros(len(frames), 0), index=frames, view=torch.zeros_like(frames))
        return Ensemble([Remembered(each) for each in members])(every, self.task)["logits"]

    def scores(self, logits: Tensor, frames: Tensor) -> dict[str, float]:
        """Return frame accuracy, utterance error and log-likelihood of a part."""
        metrics = self.task.metrics(full=False)
        rows = logits[frames]
        metrics.update(Outputs(logits=rows), Batch(rows, self.data.source.targets[frames], frames))
        return metrics.compute()

    def validated(self, logits: Tensor) -> float:
        """Return frame accuracy on the validation part, on which everything is chosen."""
        return self.scores(logits, self.data.validation)["frame_accuracy"]

    def best(
        self, lessons: Sequence[Lesson], seeds: Sequence[int], known: Tensor | None = None
    ) -> tuple[Lesson, list[dict[str, Any]]]:
        """Return the lesson that is best on validation, and what all gave."""
        means = {
            each: statistics.fmean(self.validated(self.taught(each, seed, known)) for seed in seeds)
            for each in lessons
        }
        table = [{**asdict(each), "validation": score} for each, score in means.items()]
        return max(means, key=lambda each: means[each]), table


def divided(data: Data) -> Data:
    """Return the data with every so-manieth training recording to train on, and the others among the test part."""
    recording = recording_of(data, data.train)
    chosen = torch.isin(recording, recording.unique()[::EVERY])
    unseen = torch.cat([data.test, data.train[~chosen]]).sort().values
    return replace(data, train=data.train[chosen], test=unseen)


def recording_of(data: Data, frames: Tensor) -> Tensor:
    """Return which recording each frame lies in."""
    assert isinstance(data.source, FrameSource)
    return torch.searchsorted(data.source.starts, frames, right=True) - 1


def recordings(root: Path, work: Path) -> Path:
    """Return the folder of recordings, unpacked into ``work`` where they come packed.

    Raises:
        LimbeckError: there are none.
    """
    folder, packed = root / "fsdd" / "recordings", root / "fsdd" / "recordings.tar.gz"
    if folder.is_dir():
        return folder
    if not packed.is_file():
        raise LimbeckError(f"Neither {folder} nor {packed} is there: name the data's folder by --data-root.")
    if not (work / "recordings").is_dir():
        work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=work) as place, tarfile.open(packed) as archive:
            archive.extractall(place, filter="data")
            (Path(place) / "recordings").rename(work / "recordings")
    return work / "recordings"


def measured(networks: Networks, official: Tensor) -> dict[str, Any]:
    """Train and choose everything, then read the test part once for each network."""
    of_labels, by_labels = networks.best(OF_LABELS, LABEL_SEEDS)
    members = [networks.taught(of_labels, seed) for seed in range(MEMBERS)]
    known = networks.ensemble(members)
    print(f"ensemble: {networks.validated(known):.2%} of the validation frames", flush=True)
    of_ten, by_ten = networks.best(OF_TEN, SOFT_SEEDS, known)
    students = [networks.taught(of_ten, seed, known) for seed in range(STUDENTS)]
    groups = {"one network": members, "ensemble": [known], "distilled": students}
    parts = {"validation": networks.data.validation, "test": networks.data.test, "official test": official}
    return {
        "chosen": {"labels": asdict(of_labels), "ten": asdict(of_ten)},
        "validation_by_lesson": {"labels": by_labels, "ten": by_ten},
        "scores": {
            name: {group: [networks.scores(each, part) for each in nets] for group, nets in groups.items()}
            for name, part in parts.items()
        },
        "gain": {name: gain_of(networks.data, groups, part) for name, part in parts.items()},
    }


def gain_of(data: Data, groups: dict[str, list[Tensor]], frames: Tensor) -> dict[str, Any]:
    """Return how much of the ensemble's gain the distilled networks keep on a part, with its 95 % interval."""
    numbers = recording_of(data, frames).unique(return_inverse=True)[1]
    count = int(numbers.max()) + 1
    length = torch.bincount(numbers, minlength=count).double()
    hits = {
        name: torch.stack(
            [_by_recording(each[frames], data.source.targets[frames], numbers) for each in nets]
        )
        for name, nets in groups.items()
    }
    draw = torch.Generator().manual_seed(0)

    def gains(rows: Tensor, again: bool) -> tuple[float, float]:
        means = {}
        for name, each in hits.items():
            nets = (
                torch.randint(len(each), (len(each),), generator=draw) if again else torch.arange(len(each))
            )
            means[name] = float(each[nets].mean(0)[rows].sum() / length[rows].sum())
        return means["ensemble"] - means["one network"], means["distilled"] - means["one network"]

    ensemble, distilled = gains(torch.arange(count), again=False)
    drawn = [gains(torch.randint(count, (count,), generator=draw), again=True) for _ in range(DRAWS)]
    shares = torch.tensor([mine / theirs for theirs, mine in drawn], dtype=torch.float64)
    interval = shares.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return {"ensemble": ensemble, "distilled": distilled, "kept": distilled / ensemble, "kept_ci95": interval}


def _by_recording(logits: Tensor, truth: Tensor, numbers: Tensor) -> Tensor:
    """Return how many frames of each recording are classified rightly."""
    return torch.bincount(numbers, weights=(logits.argmax(1) == truth).double())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", default=os.environ.get("LIMBECK_DATA", "../shared/data"))
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "limbeck-hinton-speech")
    arguments = parser.parse_args()
    whole = open_data(f"wav:{recordings(Path(arguments.data_root), arguments.work)}")
    data = divided(whole)
    figures = measured(Networks(data, arguments.work / "networks"), whole.test)
    for name, group in figures["scores"]["test"].items():
        accuracies, errors = (
            [each[score] for each in group] for score in ("frame_accuracy", "utterance_error")
        )
        print(
            f"{name}: {statistics.fmean(accuracies):.2%} frames, {statistics.fmean(errors):.2%} utterance error"
        )
    print(f"gain: {figures['gain']}   published: {PUBLISHED}")
    frames = {
        "train": data.train,
        "validation": data.validation,
        "test": data.test,
        "official test": whole.test,
    }
    parts = {
        name: {"frames": len(each), "recordings": len(recording_of(data, each).unique())}
        for name, each in frames.items()
    }
    about = {"published": PUBLISHED, "parts": parts, "notes": data.notes, "network": WIDTHS, "plan": PLAN}
    goals = [
        Goal("R4: share of the ensemble's gain kept", figures["gain"]["test"]["kept"], GOAL, at_most=False)
    ]
    keep(
        "hinton_speech",
        {**about, **figures},
        goals,
        " ".join((__doc__ or "").split("\n\n")[2:4]),
        quick=False,
    )
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LimbeckError as error:
        sys.exit(f"hinton_speech: {error}")
