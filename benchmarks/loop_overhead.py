"""Time and memory of limbeck's loop over a hand-written PyTorch loop that does the same work.

What was done to be fair:

- Both train the same student from the same weights with the same teacher (fp32, eval mode, no gradient), loss,
  optimizer (fused AdamW without decay of vectors) and batches in the same order. The two mean losses are compared
  at the end: if the work were not the same, they would differ and the benchmark stops.
- The hand-written loop is a good one: the data lies in memory as one normalised tensor and a batch is one indexed
  read (no DataLoader, no collation), gradients are set to None, the loss is read once a step.
- limbeck is timed as people call it, ``fit`` from beginning to end: its loader with index and view of each sample,
  fingerprints of data and teacher, the sum of each loss part and its check for NaN, the copies of the weights that
  it returns. Nothing is subtracted.
- Rounds alternate (A B, B A, …); ratios are taken within a round; median and quartiles are given. One round before
  them is not counted.
- Peak memory is the largest resident size of a fresh process that runs one of the two loops, imports included; the
  hand-written one does not import limbeck.
"""

import argparse
import copy
import resource
import statistics
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import torch

import by_hand
from by_hand import CASES, Case
from paired import Times, alternate

GOALS = {"resnet": 1.03, "demo": 1.10, "small": 1.10}
ROUNDS = {"resnet": 7, "demo": 15, "small": 15}
MEMORY_GOAL = 1.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="few steps and rounds: a smoke test, not a measurement"
    )
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--case", choices=list(CASES), action="append")
    parser.add_argument("--peak", nargs=2, metavar=("CASE", "LOOP"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    cases = {name: shortened(case) if options.quick else case for name, case in CASES.items()}
    if options.peak:
        print(peak(cases[options.peak[0]], options.peak[1]))
        return
    measure([cases[name] for name in options.case or cases], options)


def shortened(case: Case) -> Case:
    return replace(case, samples=case.batch_size * 3, epochs=1 if case.name == "resnet" else 10)


def measure(cases: list[Case], options: argparse.Namespace) -> None:
    from record import Goal, keep

    figures, goals = {}, []
    for case in cases:
        rounds = options.rounds or (2 if options.quick else ROUNDS[case.name])
        times = race(case, rounds)
        ratio, cpu = times.ratio("limbeck", "by hand"), times.ratio("limbeck", "by hand", "cpu")
        memory = memories(case, options)
        print(
            f"{case.name}: {case.steps} steps, {rounds} rounds: {ratio} by the clock, {cpu} in processor time"
        )
        per_step = {name: statistics.median(each) / case.steps * 1e3 for name, each in times.wall.items()}
        print(f"{case.name}: ms a step {per_step}; peak MiB {memory}")
        figures[case.name] = {
            **asdict(case),
            "rounds": rounds,
            "ms_per_step": per_step,
            "times": times.figures("by hand"),
            "peak_mib": memory,
        }
        goals.append(
            Goal(
                f"{case.name}: time of limbeck's loop over a hand-written one", ratio.median, GOALS[case.name]
            )
        )
        goals.append(
            Goal(f"{case.name}: peak memory likewise", memory["limbeck"] / memory["by hand"], MEMORY_GOAL)
        )
    keep("loop_overhead", figures, goals, __doc__, options.quick)


def race(case: Case, rounds: int) -> Times:
    import with_limbeck
    from limbeck import Frozen

    torch.manual_seed(0)
    teacher, student, (inputs, targets) = case.teacher(), case.student(), case.data()
    frozen, orders = Frozen(teacher, precision="fp32"), with_limbeck.orders(case)
    start = copy.deepcopy(student.state_dict())
    ends = {}

    def ours() -> None:
        student.load_state_dict(start)
        ends["limbeck"] = with_limbeck.distil(student, frozen, inputs, targets, case)

    def theirs() -> None:
        student.load_state_dict(start)
        ends["by hand"] = by_hand.distil(student, teacher, inputs, targets, case.batch_size, orders)

    times = alternate({"by hand": theirs, "limbeck": ours}, rounds)
    if abs(ends["limbeck"] - ends["by hand"]) > 1e-3 * abs(ends["by hand"]):
        raise SystemExit(f"The two loops did not do the same work: their losses are {ends}.")
    return times


def memories(case: Case, options: argparse.Namespace) -> dict[str, float]:
    """Return each loop's peak memory in MiB, the median of three fresh processes."""
    found: dict[str, list[float]] = {"by hand": [], "limbeck": []}
    for _ in range(1 if options.quick else 3):
        for loop, peaks in found.items():
            command = [
                sys.executable,
                __file__,
                "--peak",
                case.name,
                loop,
                *(["--quick"] if options.quick else []),
            ]
            peaks.append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    return {loop: statistics.median(peaks) for loop, peaks in found.items()}


def peak(case: Case, loop: str) -> float:
    """Run one loop in this process and return the largest resident size in MiB."""
    case = replace(case, epochs=1)
    teacher, student, (inputs, targets) = case.teacher(), case.student(), case.data()
    if loop == "by hand":
        order = [torch.randperm(case.samples) for _ in range(case.epochs)]
        by_hand.distil(student, teacher, inputs, targets, case.batch_size, order)
    else:
        import with_limbeck
        from limbeck import Frozen

        with_limbeck.distil(student, Frozen(teacher, precision="fp32"), inputs, targets, case)
    return largest_resident_size()


def largest_resident_size() -> float:
    """Return this process's peak in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # not getrusage: on Linux a process starts with the largest size of the one that started it
        return (
            next(int(line.split()[1]) for line in status.read_text().splitlines() if "VmHWM" in line) / 2**10
        )
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / 2**20 if sys.platform == "darwin" else size / 2**10


if __name__ == "__main__":
    main()
