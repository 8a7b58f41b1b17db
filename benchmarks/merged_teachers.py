"""R7: two teachers that have no class in common teach one student all of their classes.

One teacher knows MNIST's digits, the other Fashion-MNIST's articles; the student is one network of their size for all
20 classes. Knowledge amalgamation (Shen et al. 2019, arXiv 1811.02796) gives no figure on this data; the goal is that
the student comes within 2 points of each teacher on that teacher's own test images, where it must tell 20 classes
apart and the teacher only ten. Five kinds of student learn from the same images, 10,000 of each part at 14 pixels,
as long:

    labels       from the labels of the union, without a teacher
    merged       from the merged teachers and the labels, which also say whose classes a sample is of
    origin       from soft targets alone; of the labels only their part is used, to say who teaches
    all          from images without any labels: both teachers teach every one
    confident    likewise: the surer teacher does

The temperature is what the table of all methods (method_table.py) shows to be best on these images; --choose compares
a few by validation on a seed that is not reported. Nothing was chosen by how students fared. A net of one convolution
a stage was given up, for its teachers were weak. Teachers are trained once, students in three seeds; last epoch, test
accuracy.

Budget: 12 minutes of one core, --choose another 5. It can be killed and started again: it resumes by itself.

    python benchmarks/merged_teachers.py --data-root DATA
"""

import argparse
import os
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from limbeck import Frozen, LimbeckError, Offline, Plan, Scheme, Supervised, Term, fit, losses
from limbeck.data import Data, InputTransform, Joined, Views, augmentation, joined, open_data
from limbeck.data import fit as fit_inputs
from limbeck.data.loader import Loader, Part
from limbeck.data.relabelled import Relabelled
from limbeck.models import open_model
from limbeck.teachers import Merged
from limbeck.train import Feed
from record import Goal, environment, write_record
from remembered import logits_of

NAME = "merged_teachers"
FOLDERS = {"digit": "mnist", "article": "fashion-mnist"}
NET, SIDE = "cnn:16-32-64?depth=2", 14
TEMPERATURE, KD_WEIGHT = 1.0, 0.9
TEMPERATURES, CHOOSING_SEED = (1.0, 2.0, 4.0), 100
AUGMENT = "shift-1"
PLAN = {"batch_size": 64, "lr": 3e-3, "precision": "bf16", "channels_last": True, "select": "last"}
EPOCHS = {"teacher": 10, "student": 8}
WAYS = ("labels", "merged", "origin", "all", "confident")


@dataclass(frozen=True)
class Setting:
    """The data, what each network is fed, and where work is kept.

    Args:
        apart: the two data sets as their teachers know them, ten classes each.
        both: the two as one.
        inputs: of the student, and of each teacher its own, by role.
        work: folder of the trainings.
    """

    apart: list[Data]
    both: Joined
    inputs: dict[str, InputTransform]
    work: Path

    def part(
        self, data: Data, indices: Tensor, roles: list[str], augment: str = "none", seed: int = 0
    ) -> Part:
        """Return samples as the networks in some roles read them."""
        fed = {role: self.inputs[role] for role in roles}
        return Part(Views(data.source, augmentation(augment, data.canvas), fed, seed, data.canvas), indices)


def opened(root: Path, limit: int, work: Path) -> Setting:
    """Open both data sets, and measure for each network the pixels that it learns from."""
    apart = [open_data(f"idx:{root / folder}", limit=limit, size=SIDE) for folder in FOLDERS.values()]
    names = [
        [f"{prefix} {each}" for each in data.classes] for prefix, data in zip(FOLDERS, apart, strict=True)
    ]
    both = joined(apart, names)
    inputs = {
        f"teacher {n}": fit_inputs(each.source, each.train, each.shape) for n, each in enumerate(apart, 1)
    }
    inputs["student"] = fit_inputs(both.data.source, both.data.train, both.data.shape)
    return Setting(apart, both, inputs, work)


def network(classes: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return open_model(NET, outputs=classes, shape=(1, SIDE, SIDE)).module


def taught_apart(setting: Setting, number: int) -> nn.Module:
    """Return a teacher of one data set, trained before."""
    data, role = setting.apart[number - 1], f"teacher {number}"
    feed = Feed(setting.part(data, data.train, [role], AUGMENT))
    plan = Plan(**PLAN, epochs=EPOCHS["teacher"])
    scheme = Supervised(network(10, 0), role=role)
    return fit(
        scheme, feed, plan, folder=setting.work / role.replace(" ", "-"), resume=True, label=role
    ).model


def merged(setting: Setting, teachers: list[nn.Module], way: str) -> Merged:
    frozen = [Frozen(each, role=f"teacher {number}") for number, each in enumerate(teachers, start=1)]
    return Merged(frozen, setting.both.names, unlabelled="confident" if way == "confident" else "all")


def student(
    setting: Setting, teachers: list[nn.Module], way: str, seed: int, temperature: float = TEMPERATURE
) -> nn.Module:
    """Train one student of all classes."""
    data, net = setting.both.data, network(20, seed)
    scheme: Scheme = Supervised(net)
    if way != "labels":
        soft = KD_WEIGHT if way == "merged" else 1.0
        task_weight = 1 - KD_WEIGHT if way == "merged" else None
        term = Term(losses.KD(temperature), weight=soft)
        scheme = Offline(net, merged(setting, teachers, way), [term], task_weight=task_weight)
    if way in ("all", "confident"):
        data = without_any_labels(data)
    roles = ["student"] if way == "labels" else list(setting.inputs)
    feed = Feed(setting.part(data, data.train, roles, AUGMENT, seed))
    plan = Plan(**PLAN, epochs=EPOCHS["student"], seed=seed)
    name = f"{way}-{seed}" if way == "labels" else f"{way}-{temperature:g}-{seed}"
    return fit(scheme, feed, plan, folder=setting.work / name, resume=True).model


def without_any_labels(data: Data) -> Data:
    """Return the data with every label hidden."""
    nothing = torch.zeros(len(data.source), dtype=torch.bool)
    return replace(data, source=Relabelled(data.source, data.source.targets, nothing))


def measured(logits: list[Tensor], setting: Setting, on: str = "test") -> dict[str, dict[str, float]]:
    """Return, for each part, what answers over the union are worth on its test images, or its validation's.

    ``accuracy`` is over all 20 classes, ``own`` when only the part's own ten may be answered, ``elsewhere`` the share
    that is taken for a class of the other part.
    """
    found = {}
    for number, (part, prefix) in enumerate(zip(setting.both.parts, FOLDERS, strict=True)):
        truth = part.source.targets[getattr(part, on)]
        own = torch.tensor([setting.both.data.classes.index(each) for each in setting.both.names[number]])
        answers = logits[number].argmax(1)
        found[prefix] = {
            "accuracy": (answers == truth).double().mean().item(),
            "own": (own[logits[number][:, own].argmax(1)] == truth).double().mean().item(),
            "elsewhere": (~torch.isin(answers, own)).double().mean().item(),
        }
    return found


def answers_of(model: nn.Module, setting: Setting, on: str = "test") -> list[Tensor]:
    return [
        logits_of(model, setting.part(each, getattr(each, on), ["student"])) for each in setting.both.parts
    ]


def unaided(setting: Setting, teachers: list[nn.Module], way: str) -> list[Tensor]:
    """Return what the merged teachers answer to test images without labels."""
    teacher, roles = merged(setting, teachers, way), ["teacher 1", "teacher 2"]
    parts = [setting.part(each, each.test, roles) for each in map(without_any_labels, setting.both.parts)]
    return [torch.cat([teacher(batch)["logits"] for batch in Loader(part, 500)]) for part in parts]


def choose(setting: Setting, teachers: list[nn.Module]) -> None:
    """Print what students are worth on validation at each temperature, and a student of labels beside them."""
    for number, prefix in enumerate(FOLDERS, start=1):
        own = accuracy_apart(setting, teachers[number - 1], number, "validation")
        print(f"teacher of {prefix}s: {own:.4f}", flush=True)
    trials = [
        ("labels", TEMPERATURE),
        *((way, each) for each in TEMPERATURES for way in ("merged", "origin")),
    ]
    for way, temperature in trials:
        model = student(setting, teachers, way, CHOOSING_SEED, temperature)
        found = measured(answers_of(model, setting, "validation"), setting, "validation")
        scores = {prefix: each["accuracy"] for prefix, each in found.items()}
        print(f"{way}, T = {temperature:g}: {scores}", flush=True)


def accuracy_apart(setting: Setting, teacher: nn.Module, number: int, on: str = "test") -> float:
    """Return a teacher's accuracy over its own ten classes, on test or validation."""
    data, role = setting.apart[number - 1], f"teacher {number}"
    frozen = Frozen(teacher, role=role)
    indices = getattr(data, on)
    batches = Loader(setting.part(data, indices, [role]), 500)
    hits = sum(int((frozen(each)["logits"].argmax(1) == each.targets).sum()) for each in batches)
    return hits / len(indices)


def goals_of(teachers: dict[str, float], found: dict[str, list[dict[str, Any]]]) -> list[Goal]:
    """Return for each part and way how far the students are behind that part's teacher."""
    goals = []
    for way in WAYS[1:]:
        for prefix, accuracy in teachers.items():
            mean = statistics.fmean(each[prefix]["accuracy"] for each in found[way])
            goals.append(Goal(f"{way}: points behind the teacher of {prefix}s", 100 * (accuracy - mean), 2.0))
    return goals


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", default=os.environ.get("LIMBECK_DATA", "../shared/data"))
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "limbeck-merged-teachers")
    parser.add_argument("--limit", type=int, default=10_000, help="training images of each part")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--choose", action="store_true", help="compare temperatures on validation, and stop")
    options = parser.parse_args()
    setting = opened(Path(options.data_root), options.limit, options.work)
    teachers = [taught_apart(setting, number) for number in (1, 2)]
    if options.choose:
        choose(setting, teachers)
        return 0
    alone = {prefix: accuracy_apart(setting, teachers[n], n + 1) for n, prefix in enumerate(FOLDERS)}
    print(f"teachers, each of its own ten classes: {alone}", flush=True)
    known = {way: measured(unaided(setting, teachers, way), setting) for way in ("all", "confident")}
    print(f"merged teachers, asked without labels: {known}", flush=True)
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for seed in range(options.seeds):
        for way in WAYS:
            model = student(setting, teachers, way, seed)
            found[way].append(measured(answers_of(model, setting), setting))
            print(f"{way}, seed {seed}: {found[way][-1]}", flush=True)
    goals = goals_of(alone, found)
    print(*goals, sep="\n")
    write_record(
        NAME,
        {
            "environment": environment(),
            "goals": [{**asdict(goal), "hit": goal.hit} for goal in goals],
            "teachers": alone,
            "merged_without_labels": known,
            "students": found,
            "settings": {
                "net": NET,
                "pixels": SIDE, "limit": options.limit, "augment": AUGMENT, "temperature": TEMPERATURE,
                "kd_weight": KD_WEIGHT, "plan": PLAN, "epochs": EPOCHS,
            },
        },
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LimbeckError as error:
        sys.exit(f"{NAME}: {error}")
