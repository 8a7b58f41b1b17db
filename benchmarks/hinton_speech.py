"""R4: Hinton, Vinyals, Dean 2015, section 4, on spoken digits: one network in place of ten.

Published, frame accuracy and word error: one network of a speech recogniser 58.9 % and 10.9 %; the average of ten with
other initial weights 61.1 and 10.7; one network taught by the ten 60.8 and 10.7: 86 % of the ensemble's gain kept.

Here the recordings are fsdd's (4 speakers, 10 digits, 2,000 recordings, its own test part), a frame's class is the
third of the digit that it lies in, and a network is an mlp of 256-256 that reads 21 frames of 40 log-mel values. The
paper's 2,000 hours cannot be overfitted; these 11 minutes of training can, so every network trains as long as suits
it on validation: on the labels alone for 6, 10 or 30 epochs, on the soft targets for 30. Temperature and the labels'
weight are chosen on validation, too, by a network with initial weights of its own. The test part is read after all
choices.

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
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from limbeck import Batch, LimbeckError, Offline, Outputs, Plan, Scheme, Supervised, Term, fit, losses
from limbeck.data import Data, Standardise, Views, open_data
from limbeck.data import fit as standardised
from limbeck.data.loader import Part
from limbeck.evaluate import paired_gain
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
WIDTHS = (256, 256)
LABEL_EPOCHS, LABEL_SEEDS = (6, 10, 30), 2
SOFT_EPOCHS, SOFT_SEED = 30, 100
LESSONS = ((1.0, 0.0), (2.0, 0.0), (5.0, 0.0), (2.0, 0.5))
"""Temperature, and the labels' weight beside one minus it for the ensemble; the paper's own weight is a half."""
PLAN = {"batch_size": 256, "lr": 2e-3, "weight_decay": 0.01, "select": "last", "device": "cpu"}


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

    def of_labels(self, seed: int, epochs: int) -> Tensor:
        """Return the logits of a network that learnt from the labels."""
        return self._logits(f"labels-{epochs}-{seed}", seed, epochs, lambda net: Supervised(net, self.task))

    def of_ensemble(self, known: Tensor, seed: int, lesson: tuple[float, float]) -> Tensor:
        """Return the logits of a network taught by the ensemble whose logits are ``known``."""
        temperature, labels = lesson
        terms = [Term(losses.KD(temperature), weight=1 - labels)]
        return self._logits(
            f"soft-{temperature:g}-{labels:g}-{seed}",
            seed,
            SOFT_EPOCHS,
            lambda net: Offline(net, Remembered(known), terms, self.task, labels),
        )

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

    def _logits(self, name: str, seed: int, epochs: int, scheme: Any) -> Tensor:
        def train() -> Tensor:
            torch.manual_seed(seed)
            net: nn.Module = mlp(WIDTHS, len(self.data.classes or ()), self.data.shape)
            taught: Scheme = scheme(net)
            fit(taught, Feed(Part(self.views, self.data.train)), Plan(**PLAN, epochs=epochs, seed=seed))
            return logits_of(net, Part(self.views, torch.arange(len(self.data.source))))

        logits = kept(self.work / f"{name}.pt", train)
        print(f"{name}: {self.validated(logits):.2%} of the validation frames", flush=True)
        return logits


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


def epochs_for_labels(networks: Networks) -> tuple[int, dict[int, float]]:
    """Return for how many epochs labels alone are best on validation, and the means that say so."""
    means = {
        epochs: statistics.fmean(
            networks.validated(networks.of_labels(seed, epochs)) for seed in range(LABEL_SEEDS)
        )
        for epochs in LABEL_EPOCHS
    }
    return max(means, key=lambda epochs: means[epochs]), means


def best_lesson(networks: Networks, known: Tensor) -> tuple[tuple[float, float], list[dict[str, float]]]:
    """Return the temperature and the labels' weight that are best on validation, and what all gave."""
    found = {each: networks.validated(networks.of_ensemble(known, SOFT_SEED, each)) for each in LESSONS}
    table = [
        {"temperature": temperature, "labels_weight": labels, "validation": score}
        for (temperature, labels), score in found.items()
    ]
    return max(found, key=lambda each: found[each]), table


def measured(networks: Networks) -> dict[str, Any]:
    """Train and choose everything, then read the test part once for each network."""
    epochs, by_epochs = epochs_for_labels(networks)
    members = [networks.of_labels(seed, epochs) for seed in range(MEMBERS)]
    known = networks.ensemble(members)
    print(f"ensemble: {networks.validated(known):.2%} of the validation frames", flush=True)
    lesson, lessons = best_lesson(networks, known)
    students = [networks.of_ensemble(known, seed, lesson) for seed in range(STUDENTS)]
    longest = [networks.of_labels(seed, LABEL_EPOCHS[-1]) for seed in range(LABEL_SEEDS)]
    groups = {"one network": members, "ensemble": [known], "distilled": students, "labels, longest": longest}
    test = {
        name: [networks.scores(each, networks.data.test) for each in group] for name, group in groups.items()
    }
    return {
        "chosen": {"label_epochs": epochs, "temperature": lesson[0], "labels_weight": lesson[1]},
        "validation_by_label_epochs": by_epochs,
        "validation_by_lesson": lessons,
        "validation": {name: [networks.validated(each) for each in group] for name, group in groups.items()},
        "test": test,
        "gain": gain_of(test),
    }


def gain_of(test: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Return how much of the ensemble's gain the distilled networks keep, on the test part."""
    accuracy = {name: [each["frame_accuracy"] for each in group] for name, group in test.items()}
    means = {name: statistics.fmean(values) for name, values in accuracy.items()}
    paired = paired_gain(accuracy["distilled"], accuracy["one network"][:STUDENTS], accuracy["ensemble"][0])
    return {
        "ensemble": means["ensemble"] - means["one network"],
        "distilled": means["distilled"] - means["one network"],
        "kept": (means["distilled"] - means["one network"]) / (means["ensemble"] - means["one network"]),
        "paired": {"mean": paired.mean, "ci95": paired.ci95, "verdict": paired.verdict},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", default=os.environ.get("LIMBECK_DATA", "../shared/data"))
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "limbeck-hinton-speech")
    arguments = parser.parse_args()
    data = open_data(f"wav:{recordings(Path(arguments.data_root), arguments.work)}")
    figures = measured(Networks(data, arguments.work / "networks"))
    for name, group in figures["test"].items():
        accuracies, errors = (
            [each[score] for each in group] for score in ("frame_accuracy", "utterance_error")
        )
        print(
            f"{name}: {statistics.fmean(accuracies):.2%} frames, {statistics.fmean(errors):.2%} utterance error"
        )
    print(f"gain: {figures['gain']}   published: {PUBLISHED}")
    parts = {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)}
    about = {"published": PUBLISHED, "frames": parts, "notes": data.notes, "network": WIDTHS, "plan": PLAN}
    goals = [Goal("R4: share of the ensemble's gain kept", figures["gain"]["kept"], GOAL, at_most=False)]
    keep("hinton_speech", {**about, **figures}, goals, (__doc__ or "").split("\n\n")[2], quick=False)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LimbeckError as error:
        sys.exit(f"hinton_speech: {error}")
