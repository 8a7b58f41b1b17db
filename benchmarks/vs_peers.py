"""Samples a second of limbeck against torchdistill's own box and timm's LogitDistillationTask, in one run.

What was done to be fair:

- All train timm's resnet18 from the same weights under timm's resnet34, at 64 pixels in batches of 32, by hard loss
  and KD at T = 4, with fused AdamW, on the same samples in the same order.
- The peers run as their own example scripts run them (torchdistill: ``forward_process`` and
  ``post_forward_process`` of a ``DistillationBox``; timm: the task's result, backward, step), with two favours: their
  batches are one indexed read of data in memory, so they pay for no loader, and their loss is read once a step with
  none of their meters. limbeck runs ``fit`` from beginning to end, with its own loader, fingerprints and copies of
  the weights, in turns of 60 steps: a real run is longer, and these fixed costs weigh less. Only the choice of the
  teacher's precision, made once a run, falls into the round that is not counted.
- torchdistill leaves a frozen teacher in train mode; here it is put in eval mode by hand, or it would do other work.
- Rounds go through all contenders and back; ratios are taken within a round; median and quartiles are given.
- The bf16 contender is held to the accuracy of fp32 by a short training on Fashion-MNIST: the same teacher, paired
  seeds, test accuracy of both students. "No accuracy lost" means that the whole 95 % interval of the difference lies
  above minus one point.
"""

import argparse
import copy
import os
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import by_hand
import with_limbeck
from by_hand import KD_WEIGHT, LR, RESNET, TASK_WEIGHT, TEMPERATURE, WEIGHT_DECAY, Case
from limbeck import Frozen
from paired import Spread, Times, alternate
from record import Goal, keep

GOALS = {"limbeck, fp32": 1.0, "limbeck, default teacher": 1.15, "limbeck, bf16 for both": 1.45}
PEERS = ("torchdistill", "timm")
LOSS = 0.01


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="few steps and rounds: a smoke test, not a measurement"
    )
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--data-root", default=os.environ.get("LIMBECK_DATA", "../shared/data"))
    parser.add_argument("--only", choices=["speed", "accuracy"])
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.only != "accuracy":
        keep("vs_peers", *measure_speed(options), __doc__, options.quick)
    if options.only != "speed":
        return measure_accuracy(options)
    return 0


def measure_speed(options: argparse.Namespace) -> tuple[dict[str, Any], list[Goal]]:
    case = replace(RESNET, epochs=1, samples=96) if options.quick else RESNET
    rounds = options.rounds or (2 if options.quick else 7)
    contenders, teachers = line_up(case)
    times = alternate(contenders, rounds)
    rates = {
        name: case.steps * case.batch_size / statistics.median(each) for name, each in times.wall.items()
    }
    for name, rate in rates.items():
        faster = {other: speed(times, name, other) for other in ("by hand", *PEERS) if other in times.wall}
        print(f"{name:26s} {rate:6.1f} samples/s   " + "   ".join(f"{k} ×{v}" for k, v in faster.items()))
    figures = {
        **asdict(case),
        "rounds": rounds,
        "samples_per_second": {name: round(rate, 2) for name, rate in rates.items()},
        "teacher_precision": {
            name: each.precision.to_dict() for name, each in teachers.items() if each.precision
        },
        "times": times.figures("by hand"),
    }
    goals = [
        Goal(f"{name}: samples/s over {peer}", speed(times, name, peer).median, bound, at_most=False)
        for name, bound in GOALS.items()
        for peer in PEERS
        if peer in times.wall
    ]
    return figures, goals


def speed(times: Times, name: str, other: str) -> Spread:
    """Return how many times as many samples a second ``name`` takes as ``other``."""
    return times.ratio(other, name)


def line_up(case: Case) -> tuple[dict[str, Callable[[], None]], dict[str, Frozen]]:
    """Return all contenders as functions that take one turn, and limbeck's teachers."""
    torch.manual_seed(0)
    teacher, start = case.teacher().eval().requires_grad_(False), case.student()
    inputs, targets = case.data()
    orders = with_limbeck.orders(case)
    batches = [index for order in orders for index in order.split(case.batch_size)]
    teachers = {
        "limbeck, fp32": Frozen(teacher, precision="fp32"),
        "limbeck, default teacher": Frozen(teacher),
        "limbeck, bf16 for both": Frozen(teacher),
    }

    def own(name: str) -> Callable[[], None]:
        student = copy.deepcopy(start)
        precision = "bf16" if name.endswith("both") else "fp32"
        return lambda: with_limbeck.distil(student, teachers[name], inputs, targets, case, precision)

    student = copy.deepcopy(start)
    contenders: dict[str, Callable[[], None]] = {
        "by hand": lambda: by_hand.distil(student, teacher, inputs, targets, case.batch_size, orders)
    }
    try:
        contenders["torchdistill"] = torchdistill_turn(
            teacher, copy.deepcopy(start), inputs, targets, batches
        )
    except ImportError:
        print(
            "torchdistill is not installed, so it is left out: pip install torchdistill==1.1.5",
            file=sys.stderr,
        )
    contenders["timm"] = timm_turn(teacher, copy.deepcopy(start), inputs, targets, batches)
    return contenders | {name: own(name) for name in teachers}, teachers


def torchdistill_turn(
    teacher: nn.Module, student: nn.Module, inputs: Tensor, targets: Tensor, batches: list[Tensor]
) -> Callable[[], None]:
    from torchdistill.core.distillation import DistillationBox

    module = {"module_path": ".", "module_io": "output"}
    kd = {f"{role}_{key}": value for role in ("student", "teacher") for key, value in module.items()}
    config = {
        "num_epochs": 1,
        "teacher": {"forward_proc": "forward_batch_only", "requires_grad": False, "wrapper": None},
        "student": {"forward_proc": "forward_batch_only", "requires_grad": True, "wrapper": None},
        "optimizer": {"key": "AdamW", "kwargs": {"lr": LR, "weight_decay": WEIGHT_DECAY, "fused": True}},
        "criterion": {
            "key": "WeightedSumLoss",
            "kwargs": {
                "sub_terms": {
                    "kd": {
                        "criterion": {
                            "key": "KDLoss",
                            "kwargs": {
                                **kd,
                                "temperature": TEMPERATURE,
                                "alpha": TASK_WEIGHT,
                                "beta": KD_WEIGHT,
                                "reduction": "batchmean",
                            },
                        },
                        "weight": 1.0,
                    }
                }
            },
        },
    }
    box = DistillationBox(teacher, student, {}, config, torch.device("cpu"), None, False, 1)

    def turn() -> None:
        box.student_model.train()
        box.teacher_model.eval()
        for index in batches:
            images, labels = inputs[index], targets[index]
            loss = box.forward_process(images, labels, supp_dict=None)
            box.post_forward_process(loss)
            loss.item()

    return turn


def timm_turn(
    teacher: nn.Module, student: nn.Module, inputs: Tensor, targets: Tensor, batches: list[Tensor]
) -> Callable[[], None]:
    from timm.task import LogitDistillationTask

    task = LogitDistillationTask(
        student,
        teacher,
        criterion=nn.CrossEntropyLoss(),
        distill_loss_weight=KD_WEIGHT,
        task_loss_weight=TASK_WEIGHT,
        temperature=TEMPERATURE,
        verbose=False,
    )
    optimizer = by_hand.adamw(student)

    def turn() -> None:
        task.train()
        for index in batches:
            images, labels = inputs[index], targets[index]
            loss = task(images, labels)["loss"]
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            loss.item()

    return turn


def measure_accuracy(options: argparse.Namespace) -> int:
    folder = Path(options.data_root) / "fashion-mnist"
    if not folder.is_dir():
        print(f"There is no {folder} to compare accuracy on: name it with --data-root.", file=sys.stderr)
        return 2
    from fashion import compare

    figures = compare(folder, quick=options.quick)
    difference = figures["difference"]
    for name in ("fp32", "bf16"):
        print(
            f"Fashion-MNIST, {name}: test accuracy {figures[name]['mean']:.4f} ± {figures[name]['std']:.4f}"
        )
    print(f"difference {difference['mean']:+.4f}, 95 % in {difference['ci95']}")
    low = Goal("bf16 less fp32, lower end of the interval", difference["ci95"][0], -LOSS, at_most=False)
    keep("vs_peers_accuracy", figures, [low], __doc__, options.quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
