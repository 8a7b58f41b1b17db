"""Time and memory of KD over a large vocabulary: fused against plain, forward and backward.

What was done to be fair:

- All take the same hidden states and matrices, float32, and give gradients for the student's hidden states and matrix;
  the teacher's logits are made without a graph. Values and gradients are compared first: if they were not the same to
  1e-5, the benchmark stops.
- ``plain`` is what everyone writes: two matrix products, ``kl_div`` of ``log_softmax`` and ``softmax``, T², backward.
- ``checkpointed`` is what one can do against its memory without a kernel: the same over chunks of as many rows as the
  fused one takes, each under ``torch.utils.checkpoint``, which computes every chunk's logits a second time.
- Time: rounds alternate (A B C, C B A, …), ratios are taken within a round, one round before them is not counted.
- Memory: the largest resident size of a fresh process for each, less what it held before the call (imports, hidden
  states, matrices), so what remains is what the loss needs, the gradients themselves included. The whole process is
  given beside it.
"""

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from limbeck.functional import fused_linear_kd
from limbeck.functional.fused_linear import CHUNK_BYTES
from paired import alternate
from record import Goal, keep

TEMPERATURE = 2.0
MEMORY_GOAL = 5.0
TIME_GOAL = 1.0


@dataclass(frozen=True)
class Size:
    vocabulary: int = 128_000
    hidden: int = 512
    rows: int = 2_048


FULL = Size()
QUICK = Size(16_000, 128, 512)


@dataclass(frozen=True)
class Layer:
    """What goes into both networks' last layers."""

    student: Tensor
    student_weight: Tensor
    teacher: Tensor
    teacher_weight: Tensor

    @property
    def learns(self) -> tuple[Tensor, Tensor]:
        return self.student, self.student_weight


def made(size: Size) -> Layer:
    torch.manual_seed(0)
    scale = size.hidden**-0.5
    student, teacher = (torch.randn(size.rows, size.hidden) for _ in range(2))
    ours, theirs = (torch.randn(size.vocabulary, size.hidden).mul_(scale) for _ in range(2))
    return Layer(student.requires_grad_(), ours.requires_grad_(), teacher, theirs)


def plain(layer: Layer) -> Tensor:
    return _plain(layer.student, layer.student_weight, layer.teacher, layer.teacher_weight)


def _plain(student: Tensor, student_weight: Tensor, teacher: Tensor, teacher_weight: Tensor) -> Tensor:
    with torch.no_grad():
        taught = F.softmax(F.linear(teacher, teacher_weight) / TEMPERATURE, -1)
    known = F.log_softmax(F.linear(student, student_weight) / TEMPERATURE, -1)
    return F.kl_div(known, taught, reduction="batchmean") * TEMPERATURE**2


def checkpointed(layer: Layer) -> Tensor:
    size = max(1, CHUNK_BYTES // (4 * len(layer.student_weight)))
    total = torch.zeros(())
    for student, teacher in zip(layer.student.split(size), layer.teacher.split(size), strict=True):
        value = checkpoint(
            _plain, student, layer.student_weight, teacher, layer.teacher_weight, use_reentrant=False
        )
        total = total + value * len(student)
    return total / len(layer.student)


def fused(layer: Layer) -> Tensor:
    return fused_linear_kd(
        layer.student, layer.student_weight, layer.teacher, layer.teacher_weight, temperature=TEMPERATURE
    )


FORMS: dict[str, Callable[[Layer], Tensor]] = {"plain": plain, "checkpointed": checkpointed, "fused": fused}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small layer: a smoke test, not a measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--peak", choices=list(FORMS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    size = QUICK if options.quick else FULL
    if options.peak:
        print(*peak(FORMS[options.peak], size))
        return
    measure(size, options)


def measure(size: Size, options: argparse.Namespace) -> None:
    memory = {name: in_a_fresh_process(name, options) for name in FORMS}
    layer = made(size)
    apart = agreement(layer)
    times = alternate(
        {name: lambda form=form: learn(form, layer) for name, form in FORMS.items()}, options.rounds
    )
    for name in FORMS:
        seconds = statistics.median(times.wall[name])
        own, whole = memory[name]
        print(
            f"{name}: {seconds:.1f} s, {times.ratio(name, 'plain')} of plain's; {own:.0f} MiB beyond its inputs, "
            f"{whole:.0f} MiB in all"
        )
    ratio = times.ratio("fused", "plain")
    goals = [
        Goal(
            "memory beyond the inputs, plain over fused",
            memory["plain"][0] / memory["fused"][0],
            MEMORY_GOAL,
            False,
        ),
        Goal("time, fused over plain", ratio.median, TIME_GOAL),
    ]
    figures = {
        **asdict(size),
        "rounds": options.rounds,
        "largest_relative_difference": apart,
        "memory_mib": {
            name: {"beyond_inputs": own, "whole_process": all_} for name, (own, all_) in memory.items()
        },
        "whole_process_plain_over_fused": memory["plain"][1] / memory["fused"][1],
        "times": times.figures("plain"),
    }
    keep("fused_linear", figures, goals, __doc__, options.quick)


def learn(form: Callable[[Layer], Tensor], layer: Layer) -> Tensor:
    for each in layer.learns:
        each.grad = None
    value = form(layer)
    value.backward()
    return value.detach()


def agreement(layer: Layer) -> float:
    """Return the largest difference from the plain form, relative to each tensor's largest value."""
    expected = [learn(plain, layer), *(each.grad for each in layer.learns)]
    apart = 0.0
    for name in ("checkpointed", "fused"):
        found = [learn(FORMS[name], layer), *(each.grad for each in layer.learns)]
        for mine, theirs in zip(found, expected, strict=True):
            apart = max(apart, float((mine - theirs).abs().max() / theirs.abs().max()))
    if apart > 1e-5:
        raise SystemExit(f"The forms did not do the same work: they differ by {apart:.1e}.")
    return apart


def in_a_fresh_process(name: str, options: argparse.Namespace) -> tuple[float, float]:
    command = [sys.executable, __file__, "--peak", name, *(["--quick"] if options.quick else [])]
    if options.threads:
        command += ["--threads", str(options.threads)]
    own, whole = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(own), float(whole)


def peak(form: Callable[[Layer], Tensor], size: Size) -> tuple[float, float]:
    """Return what one forward and backward needed beyond its inputs, and the whole process's peak, in MiB."""
    learn(form, made(Size(256, 8, 8)))  # loads what is loaded at first use
    layer = made(size)
    before = resident("VmRSS")
    learn(form, layer)
    return resident("VmHWM") - before, resident("VmHWM")


def resident(field: str) -> float:
    """Return this process's resident size, now (VmRSS) or at its largest (VmHWM), in MiB; Linux alone tells."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 2**10


if __name__ == "__main__":
    main()
