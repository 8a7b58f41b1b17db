"""R10: Hinton, Vinyals, Dean 2015, section 5: specialists for the classes that a generalist confuses.

Published, on JFT's 15,000 classes with 61 specialists of 300: 25.0 % of test images right with the generalist, 26.1 %
with its specialists; of a specialist's own classes alone 43.1 and 45.9 %; and the more specialists cover the true
class, the more is gained, from +3.4 % (relative, one specialist) to +14.1 % (ten or more).

Here: a small net on the 100 classes of Tiny ImageNet at 32 pixels. Specialists of the classes it confuses begin as
copies of it with another head, and learn half their own classes, half the rest, from labels and the generalist's
soft targets. Beside them one more copy of the generalist learns as many images in all, of all classes, from labels and
the same soft targets: what more training alone would have given. With --student the whole teaches a third copy; that
costs as much again, for all eleven networks answer at each step.
To tell why gains fall where they do, a table counts answers won and lost by how many specialists cover the true class,
and the generalist is tried with the biases that make all classes as probable on average over validation images, which
are equally many of each: that knows nothing of specialists.
The specialists' rate is the best of three (--choose) by validation accuracy on a seed not reported.

Budget: 20 minutes of one core, --choose another 8. It can be killed and started again: it resumes by itself.

    python benchmarks/specialists.py --data-root DATA
"""

import argparse
import copy
import os
import sys
import tarfile
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from limbeck import Frozen, LimbeckError, Offline, Plan, Supervised, Term, fit, losses
from limbeck.data import Data, InputTransform, TensorSource, Views, augmentation, open_data
from limbeck.data import fit as fit_inputs
from limbeck.data.loader import Loader, Part
from limbeck.data.relabelled import Relabelled
from limbeck.evaluate import paired_gain
from limbeck.models import open_model
from limbeck.recipes.schemes.specialists import with_head
from limbeck.teachers import (
    Dustbin,
    Specialist,
    Specialists,
    Teacher,
    confused_classes,
    own_targets,
    specialist_set,
)
from limbeck.train import Feed
from record import environment, write_record
from remembered import logits_of
from specialists_measured import Answers, answers, as_frequent, by_covering, conditional, pooled

NAME = "specialists"
NET, SIDE = "cnn:16-32-64-128", 32
COUNT, CLASSES_EACH = 10, 15
PLAN = {"batch_size": 64, "precision": "bf16", "channels_last": True, "weight_decay": 0.05, "select": "last"}
GENERALIST = {"epochs": 20, "lr": 3e-3}
TEMPERATURE, KD_WEIGHT = 4.0, 0.5
CHOOSING_SEED = 100
PUBLISHED = {
    "generalist": 0.250,
    "with_specialists": 0.261,
    "conditional": {"generalist": 0.431, "specialists": 0.459},
    "relative_gain_by_covering": {
        "0": 0.0, "1": 0.034, "2": 0.074, "3": 0.088, "4": 0.105, "5": 0.111, "6": 0.113, "7": 0.128, "8": 0.136,
        "9": 0.166, "10 or more": 0.141,
    },
}  # fmt: skip


@dataclass(frozen=True)
class Way:
    """How specialists are trained.

    Args:
        lr: highest learning rate.
        epochs: over a specialist's own classes and as many images of others.
    """

    lr: float = 1e-3
    epochs: int = 4


CHOSEN = Way(3e-3)
TRIED = (Way(3e-4), Way(1e-3), Way(3e-3))


@dataclass(frozen=True)
class Setting:
    """Data as one tensor, what networks are fed, and where work is kept."""

    data: Data
    inputs: InputTransform
    work: Path

    def part(
        self, indices: Tensor, augment: str = "none", seed: int = 0, targets: Tensor | None = None
    ) -> Part:
        """Return samples as all networks read them, perhaps with other targets."""
        source = self.data.source if targets is None else Relabelled(self.data.source, targets)
        drawn = augmentation(augment, self.data.canvas)
        return Part(Views(source, drawn, self.inputs, seed, self.data.canvas), indices)

    def train(self, seed: int, indices: Tensor | None = None, targets: Tensor | None = None) -> Feed:
        chosen = self.data.train if indices is None else indices
        return Feed(self.part(chosen, "crop-flip", seed, targets))

    def truth(self, indices: Tensor) -> Tensor:
        return self.data.source.targets[indices]


def opened(folder: Path, work: Path) -> Setting:
    """Return Tiny ImageNet at 32 pixels: its `val` is the test part, a fifth of its `train` is for validation."""
    kept = work / f"images-{SIDE}.pt"
    if not kept.exists():
        images = work / "images"
        for archive, part in (("train", "train"), ("val", "test")):
            unpack(folder / f"{archive}.tar.gz", images, archive, part)
        data = open_data(f"folder:{images}", size=SIDE)
        every = torch.arange(len(data.source)).split(500)
        pixels = torch.cat([Views.plain(data).read(each, torch.zeros_like(each)).inputs for each in every])
        parts = {part: getattr(data, part) for part in ("train", "validation", "test")}
        torch.save({"pixels": pixels, "targets": data.source.targets, **parts}, kept)
    found = torch.load(kept, weights_only=True)
    source, classes = TensorSource(found["pixels"], found["targets"]), int(found["targets"].max()) + 1
    split = (found["train"], found["validation"], found["test"])
    data = Data(
        folder.name, "classification", source, *split, tuple(map(str, range(classes))), (3, SIDE, SIDE)
    )
    return Setting(data, fit_inputs(source, data.train, data.shape), work)


def unpack(archive: Path, place: Path, inside: str, part: str) -> None:
    """Unpack a folder of images once, under the name that `folder:` knows it by."""
    if (place / part).exists():
        return
    if not archive.exists():
        raise LimbeckError(f"No {archive}: name the folder that holds tiny-imagenet-100 with --data-root.")
    with tempfile.TemporaryDirectory(dir=place.parent) as half, tarfile.open(archive) as files:
        files.extractall(half, filter="data")
        place.mkdir(exist_ok=True)
        Path(half, inside).rename(place / part)


def generalist_of(setting: Setting, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    net = open_model(NET, outputs=len(setting.data.classes), shape=setting.data.shape).module
    plan, folder = Plan(**PLAN, **GENERALIST, seed=seed), setting.work / f"generalist-{seed}"
    return fit(Supervised(net), setting.train(seed), plan, folder=folder, resume=True).model


def specialist(
    setting: Setting, generalist: nn.Module, group: tuple[int, ...], name: str, seed: int, way: Way
) -> tuple[Specialist, int]:
    """Train one specialist; return it and how many images it saw."""
    train, targets = setting.data.train, setting.data.source.targets
    chosen = specialist_set(targets[train], group, seed)
    feed = setting.train(seed, train[chosen.indices], own_targets(targets, group))
    example = next(iter(Loader(setting.part(train[:2]), 2))).inputs
    net = with_head(begun(generalist), example, group)
    dustbin = Dustbin(Frozen(generalist), group, chosen.correction)
    run = taught(setting, net, dustbin, feed, name, seed, way)
    return Specialist(Frozen(run.model), group, chosen.correction), run.samples


def begun(generalist: nn.Module) -> nn.Module:
    """Return a copy of the generalist that can learn."""
    return copy.deepcopy(generalist).requires_grad_(True)


def taught(
    setting: Setting, net: nn.Module, teacher: Teacher, feed: Feed, name: str, seed: int, way: Way
) -> Any:
    """Train a copy of the generalist on labels and a teacher's soft targets."""
    terms = [Term(losses.KD(TEMPERATURE), weight=KD_WEIGHT)]
    scheme = Offline(net, teacher, terms, task_weight=1 - KD_WEIGHT)
    plan = Plan(**PLAN, **asdict(way), seed=seed)
    return fit(scheme, feed, plan, folder=setting.work / name, resume=True)


def whole_of(setting: Setting, generalist: nn.Module, seed: int, way: Way) -> tuple[Specialists, int]:
    """Train the specialists of one generalist; return all as one teacher, and how many images they saw."""
    known = logits_of(generalist, setting.part(setting.data.train))
    groups = confused_classes(known, COUNT, CLASSES_EACH, seed=seed).groups
    pairs = [
        specialist(setting, generalist, group, f"specialist-{way.lr:g}-{way.epochs}-{seed}-{n}", seed, way)
        for n, group in enumerate(groups)
    ]
    made = [each for each, _ in pairs]
    return Specialists(Frozen(generalist), made, classes=known.shape[1]), sum(seen for _, seen in pairs)


def measured(setting: Setting, whole: Specialists, copies: dict[str, nn.Module]) -> dict[str, Any]:
    """Return test accuracies, and where they come from."""
    test, validation = (setting.part(getattr(setting.data, each)) for each in ("test", "validation"))
    truth, classes = setting.truth(setting.data.test), len(setting.data.classes)
    plain = answers(whole.generalist, test)
    logits = {
        "generalist": plain,
        "with specialists": answers(whole, test),
        "with specialists, top 3": answers(Specialists(whole.generalist, whole.specialists, top=3), test),
        "generalist, as frequent": plain + as_frequent(answers(whole.generalist, validation), classes),
        **{name: logits_of(model, test) for name, model in copies.items()},
    }
    found, seen = Answers(logits, truth), setting.data.train
    return {
        "accuracy": {name: found.right(name).double().mean().item() for name in logits},
        "covering": by_covering(found, whole),
        "conditional": conditional(whole, test, truth),
        "conditional on training images": conditional(whole, setting.part(seen), setting.truth(seen)),
    }


def of_seed(setting: Setting, seed: int, student: bool = False) -> dict[str, Any]:
    """Train everything of one seed and measure it."""
    generalist = generalist_of(setting, seed)
    whole, seen = whole_of(setting, generalist, seed, CHOSEN)
    more = replace(CHOSEN, epochs=round(seen / len(setting.data.train)))
    teachers: dict[str, Teacher] = {"generalist trained on": Frozen(generalist)}
    if student:
        teachers["student of the whole"] = whole
    copies = {
        name: taught(
            setting, begun(generalist), teacher, setting.train(seed), f"{name}-{seed}", seed, more
        ).model
        for name, teacher in teachers.items()
    }
    about = {"images_seen_by_specialists": seen, "epochs_of_copies": more.epochs}
    return {**measured(setting, whole, copies), **about}


def choose(setting: Setting) -> None:
    """Print what each way tried gains on validation."""
    generalist = generalist_of(setting, CHOOSING_SEED)
    part, truth = setting.part(setting.data.validation), setting.truth(setting.data.validation)
    before = (logits_of(generalist, part).argmax(1) == truth).double().mean().item()
    print(f"generalist: {before:.4f}", flush=True)
    for way in TRIED:
        whole, seen = whole_of(setting, generalist, CHOOSING_SEED, way)
        after = (answers(whole, part).argmax(1) == truth).double().mean().item()
        print(f"{way}, {seen:,} images: {after - before:+.4f}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", default=os.environ.get("LIMBECK_DATA", "../shared/data"))
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "limbeck-specialists")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--choose", action="store_true", help="print what TRIED gives on validation")
    parser.add_argument(
        "--student", action="store_true", help="teach a copy of the generalist by the whole, too"
    )
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    setting = opened(Path(options.data_root) / "tiny-imagenet-100", options.work)
    if options.choose:
        choose(setting)
        return 0
    found = []
    for seed in range(options.seeds):
        found.append(of_seed(setting, seed, options.student))
        print(f"seed {seed}: {found[-1]}", flush=True)
    scores = {name: [each["accuracy"][name] for each in found] for name in found[0]["accuracy"]}
    gains = {
        name: asdict(paired_gain(values, scores["generalist"], None))
        for name, values in scores.items()
        if name != "generalist"
    }
    for name, gain in gains.items():
        print(f"{name}: {gain}")
    about = {"net": NET, "pixels": SIDE, "specialists": COUNT, "classes_each": CLASSES_EACH, "plan": PLAN}
    soft = {"temperature": TEMPERATURE, "kd_weight": KD_WEIGHT}
    write_record(
        NAME,
        {
            "environment": environment(),
            "published": PUBLISHED,
            "settings": {**about, **soft, "generalist": GENERALIST, "specialist": asdict(CHOSEN)},
            "accuracy": scores,
            "gains": gains,
            "covering": pooled(found),
            "seeds": found,
        },
    )
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LimbeckError as error:
        sys.exit(f"{NAME}: {error}")
