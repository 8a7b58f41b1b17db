"""R5: Ba and Caruana 2014 (arXiv 1312.6184): a shallow net that mimics deep ones, and its linear bottleneck.

Published, on TIMIT (phone error): a net of one hidden layer of 8,000 units learns 23.1 % from labels, a deep one of
as many parameters (12 M) 21.9 %; the shallow net that regresses the logits of nine convolutional nets (18.5 %)
reaches 21.6 %. On CIFAR-10 its transfer set is a million images without labels. Its first matrix is factored by a
linear layer, W ≈ U·V, which is said to speed learning up; no figure is given.

Here on Fashion-MNIST, samples as they are, three nets of 239,000 parameters: a deep one of three hidden layers, a
shallow one with a whole first matrix, a shallow wide one with a bottleneck of 50. They learn from labels (with
dropout, as published) or regress a convolutional teacher's logits; weights of the best epoch on validation, accuracy on
test. Two cases: labels for 6,000 images, which teacher and label nets learn from, while the mimics see all 54,000
images and no label; and labels for all 54,000, so that both see the same (with five times as many epochs by --long).

Then the speed: the wide net with the bottleneck and with the whole matrix (11 times the parameters) regress by SGD with
momentum at a constant rate, each at its best of RATES on one more seed. Counted are the steps to two targets, between
epochs by a straight line, and the processor time of a step, measured in turns.

Budget: 35 minutes of one core. It can be killed and started again: it resumes by itself.

    python benchmarks/shallow_mimic.py --data-root DATA
"""

import argparse
import math
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from limbeck import Classification, LimbeckError, Offline, Plan, Scheme, Supervised, Term, fit, losses
from limbeck.data import Data, Views, augmentation, open_data
from limbeck.data import fit as fit_inputs
from limbeck.data.loader import Loader, Part
from limbeck.evaluate import evaluate, paired_gain
from limbeck.evaluate.quality import predictor
from limbeck.models import open_model
from limbeck.teachers import Ensemble, Teacher
from limbeck.train import Feed
from limbeck.train.loop import Run
from paired import alternate
from record import Goal, environment, write_record
from remembered import BATCH, Remembered, kept, logits_of

NAME = "shallow_mimic"
PUBLISHED = {
    "phone error on TIMIT": {
        "shallow, 8k units, labels": 0.231, "deep, labels": 0.219, "shallow, 8k units, mimic": 0.216,
        "shallow, 400k units, labels": 0.236, "shallow, 400k units, mimic": 0.200, "teacher, 9 CNNs": 0.185,
    },
}  # fmt: skip
TEACHER = "cnn:16-32-64?depth=2"
TEACHER_PLAN = {"batch_size": 64, "lr": 3e-3, "precision": "bf16", "select": "last"}
PLAN = {"batch_size": 125, "weight_decay": 0.0, "precision": "bf16"}
DEEP, SHALLOW, FACTORED, WIDE = "mlp:200-200-200", "mlp:301", "mlp:3282?bottleneck=50", "mlp:3282"
LABEL_RATE, MIMIC_RATE, DROPOUT = 1e-3, 3e-3, 0.2  # of a few tried on validation, one seed

RATES, SPEED_EPOCHS, CHOOSING_SEED = (1e-3, 2e-3), 6, 100
TARGET_ACCURACY, TARGET_LOSS = (
    0.87,
    8.0,
)  # the loss begins near 110: 93 % of what the logits vary is explained


@dataclass(frozen=True)
class Case:
    """How much is labelled, and who learns.

    Args:
        labelled: training images with labels.
        teachers: convolutional nets whose logits are averaged.
        epochs: of a teacher, of a net that learns from labels, of a mimic; passes over their own images.
        nets: those that learn, from labels and by regression.
    """

    labelled: int
    teachers: int
    epochs: tuple[int, int, int]
    nets: tuple[str, ...]


CASES = {
    "6,000 labels": Case(6_000, 1, (40, 60, 20), (DEEP, SHALLOW, FACTORED)),
    "54,000 labels": Case(54_000, 2, (12, 8, 8), (FACTORED,)),
}
LONG = {"54,000 labels, 40 epochs": Case(54_000, 2, (12, 40, 40), (FACTORED,))}


@dataclass(frozen=True)
class Setting:
    """Data, and where work is kept."""

    data: Data
    work: Path

    def part(self, indices: Tensor, augment: str = "none", seed: int = 0) -> Part:
        """Return samples as every network reads them."""
        data = self.data
        wanted = fit_inputs(data.source, data.train, data.shape)
        views = Views(data.source, augmentation(augment, data.canvas), wanted, seed=seed, canvas=data.canvas)
        return Part(views, indices)

    def net(self, spec: str, seed: int) -> nn.Module:
        """Return a new network."""
        torch.manual_seed(seed)
        return open_model(spec, outputs=10, shape=self.data.shape).module

    def train(
        self, name: str, scheme: Scheme, indices: Tensor, plan: dict[str, Any], augment: str = "none"
    ) -> Run:
        """Train on some samples, or go on with it; ``name`` says where checkpoints lie."""
        feed = Feed(self.part(indices, augment, plan["seed"]), self.part(self.data.validation))
        folder = self.work / "".join(each if each.isalnum() else "-" for each in name)
        return fit(scheme, feed, Plan(**plan), folder=folder, resume=True, label=name)

    def accuracy(self, model: nn.Module) -> float:
        """Return the accuracy on the test part."""
        task, batches = Classification(), Loader(self.part(self.data.test), BATCH)
        return evaluate(predictor(model, task), batches, task, full=False).scores["accuracy"]


def taught(setting: Setting, case: Case, labelled: Tensor) -> list[Tensor]:
    """Return what each teacher of a case says of every sample, from labels of some."""
    found = []
    for seed in range(case.teachers):
        name = f"teacher {case.labelled} {seed}"
        plan = {**TEACHER_PLAN, "epochs": case.epochs[0], "seed": seed, "evaluate_every": case.epochs[0]}
        made = _told(setting, name, plan, labelled)
        found.append(kept(setting.work / f"{name.replace(' ', '-')}.pt", made))
    return found


def _told(setting: Setting, name: str, plan: dict[str, Any], labelled: Tensor) -> Any:
    def make() -> Tensor:
        scheme = Supervised(setting.net(TEACHER, plan["seed"]))
        model = setting.train(name, scheme, labelled, plan, "crop-flip-2").model
        return logits_of(model, setting.part(torch.arange(len(setting.data.source))))

    return make


def regression(net: nn.Module, known: Teacher) -> Scheme:
    """Return the regression of a teacher's logits, and of nothing else."""
    return Offline(net, known, [Term(losses.LogitRegression(), weight=1.0)], task_weight=0.0)


def compared(setting: Setting, case: Case, known: Teacher, labelled: Tensor, seeds: int) -> dict[str, Any]:
    """Return the test accuracies of each net from labels and as a mimic, and what mimicry gains."""
    found: dict[str, Any] = {}
    for spec in case.nets:
        scores: dict[str, list[float]] = {"labels": [], "mimic": []}
        for seed in range(seeds):
            dropped = f"{spec}{'&' if '?' in spec else '?'}dropout={DROPOUT}"
            plan = {**PLAN, "epochs": case.epochs[1], "lr": LABEL_RATE, "seed": seed}
            own = Supervised(setting.net(dropped, seed))
            run = setting.train(f"{case.labelled} {spec} labels {case.epochs[1]} {seed}", own, labelled, plan)
            scores["labels"].append(setting.accuracy(run.model))
            plan = {**PLAN, "epochs": case.epochs[2], "lr": MIMIC_RATE, "seed": seed}
            mimic = regression(setting.net(spec, seed), known)
            run = setting.train(
                f"{case.labelled} {spec} mimic {case.epochs[2]} {seed}", mimic, setting.data.train, plan
            )
            scores["mimic"].append(setting.accuracy(run.model))
        gain = asdict(paired_gain(scores["mimic"], scores["labels"], None))
        found[spec] = {"parameters": _parameters(run.model), **scores, "gain": gain}
        print(f"{case.labelled} labels, {spec}: {found[spec]}", flush=True)
    return found


def speed_of(setting: Setting, known: Teacher, spec: str, lr: float, seed: int) -> dict[str, Any]:
    """Return how a net's regression comes on by epoch, and the steps to both targets."""
    plan = {
        **PLAN,
        "epochs": SPEED_EPOCHS,
        "lr": lr,
        "seed": seed,
        "optimizer": "sgd",
        "schedule": "constant",
    }
    scheme = regression(setting.net(spec, seed), known)
    run = setting.train(f"speed {spec} {lr} {seed}", scheme, setting.data.train, plan)
    steps = [float(row["step"]) for row in run.history]
    loss = [row["loss_LogitRegression"] for row in run.history]
    accuracy = [row["val_accuracy"] for row in run.history]
    reached = {
        "steps_to_loss": _crossing(steps, [-each for each in loss], -TARGET_LOSS),
        "steps_to_accuracy": _crossing(steps, accuracy, TARGET_ACCURACY),
    }
    return {"lr": lr, "seed": seed, "loss": loss, "accuracy": accuracy, **reached}


def _crossing(steps: Sequence[float], values: Sequence[float], target: float) -> float | None:
    """Return when rising values first reach the target, by a straight line since the point before."""
    for number, value in enumerate(values):
        if value < target:
            continue
        if number == 0:
            return steps[0]
        share = (target - values[number - 1]) / (value - values[number - 1])
        return steps[number - 1] + share * (steps[number] - steps[number - 1])
    return None


def speeds(setting: Setting, known: Teacher, seeds: int) -> dict[str, Any]:
    """Return both wide nets' ways to the targets, each at the rate that is best for it on another seed."""
    found: dict[str, Any] = {}
    for spec in (FACTORED, WIDE):
        tried = [_tried(setting, known, spec, lr) for lr in RATES]
        best = min(tried, key=lambda each: each["loss"][-1] if each["loss"] else math.inf)["lr"]
        runs = [speed_of(setting, known, spec, best, seed) for seed in range(seeds)]
        found[spec] = {
            "parameters": _parameters(setting.net(spec, 0)),
            "lr": best,
            "tried": tried,
            "runs": runs,
        }
        print(f"{spec} at {best}: {[(each['steps_to_loss'], each['steps_to_accuracy']) for each in runs]}")
    return {"nets": found, "time_of_20_steps": _timed(setting, known)}


def _tried(setting: Setting, known: Teacher, spec: str, lr: float) -> dict[str, Any]:
    """Return a rate's run on the seed that rates are chosen by; no losses where it is too high to learn by."""
    try:
        return speed_of(setting, known, spec, lr, CHOOSING_SEED)
    except LimbeckError as error:
        print(f"{spec} at {lr}: {error}", flush=True)
        return {"lr": lr, "seed": CHOOSING_SEED, "loss": [], "stopped": str(error)}


def _timed(setting: Setting, known: Teacher) -> dict[str, Any]:
    few = Feed(setting.part(setting.data.train[: 20 * PLAN["batch_size"]]))
    plan = Plan(**PLAN, epochs=1, lr=min(RATES), optimizer="sgd")
    turns = {spec: lambda spec=spec: fit(regression(setting.net(spec, 0), known), few, plan)
             for spec in (FACTORED, WIDE)}  # fmt: skip
    return alternate(turns, rounds=5).figures(over=WIDE)


def _parameters(net: nn.Module) -> int:
    return sum(each.numel() for each in net.parameters())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", default=os.environ.get("LIMBECK_DATA", "../shared/data"))
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "limbeck-shallow-mimic")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--long", action="store_true", help="only all labels, and five times as many epochs")
    arguments = parser.parse_args()
    source = f"idx:{Path(arguments.data_root) / 'fashion-mnist'}"
    setting = Setting(open_data(source), arguments.work)
    truth = setting.data.source.targets[setting.data.test]
    figures: dict[str, Any] = {}
    for name, case in (LONG if arguments.long else CASES).items():
        labelled = open_data(source, limit=case.labelled).train
        answers = taught(setting, case, labelled)
        known = Ensemble([Remembered(each) for each in answers], combine="logits")
        scores = [float((each[setting.data.test].argmax(1) == truth).float().mean()) for each in answers]
        together = torch.stack(answers)[:, setting.data.test].mean(0).argmax(1)
        teacher = {"each": scores, "together": float((together == truth).float().mean())}
        print(f"{name}: teachers {teacher}", flush=True)
        nets = compared(setting, case, known, labelled, arguments.seeds)
        figures[name] = {"case": asdict(case), "teachers": teacher, "nets": nets}
    if not arguments.long:
        figures["speed"] = speeds(setting, known, arguments.seeds)  # regressing the better teachers
    goals = goals_of(figures)
    print(*goals, sep="\n")
    write_record(
        f"{NAME}_long" if arguments.long else NAME,
        {
            "environment": environment(),
            "published": PUBLISHED,
            "goals": [{**asdict(goal), "hit": goal.hit} for goal in goals],
            "settings": {"teacher": TEACHER, "rates": {"labels": LABEL_RATE, "mimic": MIMIC_RATE}, **PLAN},
            "targets": {"accuracy": TARGET_ACCURACY, "loss": TARGET_LOSS},
            "figures": figures,
        },
    )
    return 0


def goals_of(figures: dict[str, Any]) -> list[Goal]:
    """Return whether mimics beat labels, and whether the bottleneck saves steps and time."""
    goals = []
    for name in (each for each in figures if each != "speed"):
        gain = figures[name]["nets"][FACTORED]["gain"]["mean"]
        goals.append(Goal(f"{name}: points that mimicry gains", 100 * gain, 0.0, at_most=False))
    if "speed" not in figures:
        return goals
    nets, times = figures["speed"]["nets"], figures["speed"]["time_of_20_steps"]
    pairs = zip(nets[FACTORED]["runs"], nets[WIDE]["runs"], strict=True)
    ratios = [mine["steps_to_loss"] / theirs["steps_to_loss"] for mine, theirs in pairs]
    steps = statistics.fmean(ratios)
    cost = times[FACTORED]["cpu_ratio"]["median"]
    return [
        *goals,
        Goal("bottleneck: steps to the loss, over the whole matrix", steps, 1.0),
        Goal("bottleneck: processor time to the loss, over the whole matrix", steps * cost, 1.0),
    ]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LimbeckError as error:
        sys.exit(f"{NAME}: {error}")
