"""What a frozen teacher adds to a step: by limbeck's defaults, over a naive teacher in fp32.

What was done to be fair:

- One hand-written step for all: student forward, hard loss, KD at T = 4 where there is a teacher, backward, fused
  AdamW, on the same synthetic images in the same order. Only who answers for the teacher differs: nobody; the network
  in fp32 and eval mode under no_grad, as anyone would write it; ``Frozen`` with its defaults, and compiled where asked.
- What a teacher adds is a round's time with it less that round's time without one; the ratio of two additions is
  taken within a round, and its median and quartiles are given. Rounds go through all contenders and back.
- ``Frozen`` chooses its precision once a run, in the round that is not counted. The record says what it chose and how
  far its outputs are from fp32.
"""

import argparse
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from by_hand import KD_WEIGHT, RESNET, TASK_WEIGHT, TEMPERATURE, Case, adamw
from limbeck import Batch, Frozen
from limbeck.teachers.frozen import faster_half
from paired import Spread, Times, alternate
from record import Goal, keep

GOAL = 0.5
STEPS = 6
Ask = Callable[[Tensor], Tensor]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="few steps and rounds: a smoke test, not a measurement"
    )
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--compile", action="store_true", help="measure a compiled teacher too")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    steps, rounds = (1, 2) if options.quick else (STEPS, 15)
    case = replace(RESNET, samples=steps * RESNET.batch_size, epochs=1)
    figures, goals = measure(case, options.rounds or rounds, options.compile)
    keep("teacher_step", figures, goals, __doc__, options.quick)
    return 0


def measure(case: Case, rounds: int, compiled: bool) -> tuple[dict[str, Any], list[Goal]]:
    torch.manual_seed(0)
    network, inputs_and_targets = case.teacher().eval().requires_grad_(False), case.data()
    teachers = {"default": Frozen(network)}
    if compiled:
        teachers["compiled"] = Frozen(network, compile=True)
    asked: dict[str, Ask | None] = {"without": None, "naive": plainly(network)}
    asked |= {name: through(teacher) for name, teacher in teachers.items()}
    students = {name: case.student() for name in asked}
    times = alternate(
        {name: turn(students[name], *inputs_and_targets, case, ask) for name, ask in asked.items()}, rounds
    )
    added = {name: ratio(times, name) for name in teachers}
    per_step = {name: statistics.median(each) / case.steps * 1e3 for name, each in times.wall.items()}
    print("ms a step: " + ", ".join(f"{name} {value:.1f}" for name, value in per_step.items()))
    for name, found in added.items():
        print(f"{name} teacher ({teachers[name].precision}): adds {found} of what the naive one adds")
    figures = {
        **asdict(case),
        "rounds": rounds,
        "ms_per_step": per_step,
        "added_over_naive": {name: asdict(found) for name, found in added.items()},
        "added_over_naive_cpu": {name: asdict(ratio(times, name, "cpu")) for name in teachers},
        "teacher_precision": {
            name: each.precision.to_dict() for name, each in teachers.items() if each.precision
        },
        "times": times.figures("naive"),
    }
    if faster_half(torch.device("cpu")) is None:
        print("This processor has no bf16 arithmetic, so there is no goal.", file=sys.stderr)
        return figures, []
    told = "what the default teacher adds to a step, over a naive one in fp32"
    return figures, [Goal(told, added["default"].median, GOAL)]


def ratio(times: Times, name: str, clock: str = "wall") -> Spread:
    """Return what ``name`` adds to the time without a teacher over what the naive teacher adds."""
    seconds: dict[str, list[float]] = getattr(times, clock)
    rows = zip(seconds[name], seconds["naive"], seconds["without"], strict=True)
    q1, median, q3 = statistics.quantiles([(a - c) / (b - c) for a, b, c in rows], n=4, method="inclusive")
    return Spread(median, q1, q3)


def plainly(network: nn.Module) -> Ask:
    def ask(images: Tensor) -> Tensor:
        with torch.no_grad():
            logits: Tensor = network(images)
        return logits

    return ask


def through(teacher: Frozen) -> Ask:
    def ask(images: Tensor) -> Tensor:
        logits: Tensor = teacher(Batch(images))["logits"]
        return logits.float()

    return ask


def turn(
    student: nn.Module, inputs: Tensor, targets: Tensor, case: Case, ask: Ask | None
) -> Callable[[], None]:
    """Return a function that takes the case's steps."""
    student.train()
    optimizer = adamw(student)

    def run() -> None:
        for images, labels in zip(inputs.split(case.batch_size), targets.split(case.batch_size), strict=True):
            known = ask(images) if ask is not None else None
            logits = student(images)
            loss = F.cross_entropy(logits, labels)
            if known is not None:
                told = F.log_softmax(known / TEMPERATURE, -1)
                mine = F.log_softmax(logits / TEMPERATURE, -1)
                apart = F.kl_div(mine, told, reduction="batchmean", log_target=True)
                loss = TASK_WEIGHT * loss + KD_WEIGHT * TEMPERATURE**2 * apart
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            loss.item()

    return run


if __name__ == "__main__":
    sys.exit(main())
