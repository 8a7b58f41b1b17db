"""Time and extra memory of every loss, forward and backward, over torchdistill's and over usual formulations.

What was done to be fair:

- All contenders run in one process on the same tensors, in turns (A B, B A, …) of at least 30 ms; ratios are taken
  within a round; median and quartiles are given. One round before them is not counted.
- A turn computes the loss as people call it, checks of shapes included, and its gradients for the student and for what
  the loss trains. Nothing is subtracted. The teacher's tensors take no gradient, which spares both sides work.
- Extra memory is the most that was allocated at once, beyond what was there before, during one forward and backward,
  as PyTorch's profiler reports each allocation and release of its CPU allocator. The student's gradient counts.
- torchdistill's losses are the classes that it ships, with the same settings; where they need something of the model,
  it is given to them (see loss_peers). Values may differ by documented choices of reduction; the work is the same.
- "usual" are formulations found in most public code, written by hand: RKD with all differences (N, N, D); NST and
  FSP with all products of channels, at 64 samples only, for at 256 they take 8 GiB and more.
- Inputs: logits of 100 classes, embeddings of 512 numbers, maps of 256×8×8, three levels of maps where a loss takes
  several (FSP: two maps of 256×8×8); CRD draws 4,096 negatives from 50,000 samples.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler's own messages

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

import loss_peers
from loss_inputs import NAMES, Inputs, batch, made
from loss_peers import Work
from paired import Times, alternate
from record import Goal, keep

BATCHES = (64, 256)
TURN = 0.03
LONG = 0.5
"""Seconds of one turn above which fewer rounds are enough."""
OTHERS = ("torchdistill", "usual")
GOAL = (1.0, 1.0)
"""At least so many times as fast, with at least so many times less memory."""
GOALS = {"RKD, N=256": (3.0, 10.0)}
REASONS = {
    "DIST": "looking for constant rows and columns, whose correlation is noise, takes some microseconds",
    "FactorTransfer": "the same convolutions on both sides take nearly all of the time",
    "FitNets": "the same operation on both sides",
    "ReviewKD": "the same convolutions on both sides take nearly all of the time",
}
"""Why a loss may miss the goal."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds: a smoke test, not a measurement")
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--only", nargs="+", choices=[*NAMES, "RKD"], metavar="LOSS", default=None)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    if find_spec("torchdistill") is None:
        print(
            "torchdistill is not installed, so it is left out: pip install torchdistill==1.1.5",
            file=sys.stderr,
        )
    rounds = options.rounds or (2 if options.quick else 15)
    figures: dict[str, Any] = {}
    print(f"{'':22s} {'N':>4s} {'ms':>9s} {'MiB':>8s}   times as fast, times less memory")
    for name in options.only or [*NAMES, "RKD"]:
        for samples in BATCHES:
            figures[f"{name}, N={samples}"] = found = measure(name, samples, rounds)
            print(row(name, samples, found), flush=True)
    bounds = goals(figures)
    for name, reason in REASONS.items():
        if any(goal.name.startswith(f"{name},") and not goal.hit for goal in bounds):
            print(f"{name}: {reason}")
    keep("loss_cost", {"reasons": REASONS, **figures}, bounds, __doc__, options.quick or bool(options.only))


def measure(name: str, samples: int, rounds: int) -> dict[str, Any]:
    """Return milliseconds and MiB of all who offer a loss, and their ratios over limbeck's."""
    turns = contenders(name, samples)
    memory = {who: extra_memory(turn) for who, turn in turns.items()}
    seconds = {who: once(turn) for who, turn in turns.items()}
    repeats = max(1, round(TURN / min(seconds.values())))
    if max(seconds.values()) * repeats > LONG:
        rounds = min(rounds, 5)
    times = alternate({who: repeated(turn, repeats) for who, turn in turns.items()}, rounds)
    return {
        who: {"ms": statistics.median(times.wall[who]) / repeats * 1e3, "mib": memory[who]}
        | ({} if who == "limbeck" else over(times, who, memory))
        for who in turns
    } | {"rounds": rounds, "repeats": repeats}


def over(times: Times, who: str, memory: Mapping[str, float]) -> dict[str, Any]:
    """Return how many times as fast, and with how many times less memory, limbeck is."""
    return {"faster": asdict(times.ratio(who, "limbeck")), "less_memory": memory[who] / memory["limbeck"]}


def contenders(name: str, samples: int) -> dict[str, Callable[[], None]]:
    """Return who offers the loss, each as a function that computes it and its gradients once."""
    if name == "RKD":
        inputs = batch("RKDAngle", samples)
        both = loss_peers.rkd(made("RKDDistance"), made("RKDAngle"), inputs)
        return {"limbeck": turn(both, inputs), "usual": turn(loss_peers.usual(name, inputs), inputs)}
    inputs, loss = batch(name, samples), made(name)
    found = {"limbeck": turn(lambda: loss(inputs.student, inputs.teacher, inputs.context), inputs, loss)}
    peer = loss_peers.torchdistill(name, loss, inputs) if find_spec("torchdistill") else None
    if peer:
        found["torchdistill"] = turn(peer[0], inputs, *peer[1])
    usual = loss_peers.usual(name, inputs)
    if usual:
        found["usual"] = turn(usual, inputs)
    return found


def turn(work: Work, inputs: Inputs, *modules: nn.Module) -> Callable[[], None]:
    learns = inputs.leaves() + [each for module in modules for each in module.parameters()]

    def forward_and_backward() -> None:
        work().backward()
        for each in learns:
            each.grad = None

    return forward_and_backward


def repeated(turn: Callable[[], None], repeats: int) -> Callable[[], None]:
    def turns() -> None:
        for _ in range(repeats):
            turn()

    return turns


def once(turn: Callable[[], None]) -> float:
    turn()
    began = time.perf_counter()
    turn()
    return time.perf_counter() - began


def extra_memory(turn: Callable[[], None]) -> float:
    """Return the most MiB that were allocated at once beyond what was there before."""
    turn()  # so that nothing made on first use counts
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        turn()
    events = profiler.profiler.kineto_results.events()
    changes = sorted((each.start_ns(), each.nbytes()) for each in events if each.name() == "[memory]")
    held = most = 0
    for _, change in changes:
        held += change
        most = max(most, held)
    return most / 2**20


def row(name: str, samples: int, found: Mapping[str, Any]) -> str:
    ours = found["limbeck"]
    others = "   ".join(
        f"{who} ×{found[who]['faster']['median']:.2f} ×{found[who]['less_memory']:.2f}"
        for who in OTHERS
        if who in found
    )
    return f"{name:22s} {samples:4d} {ours['ms']:9.3f} {ours['mib']:8.2f}   {others}"


def goals(figures: Mapping[str, Mapping[str, Any]]) -> list[Goal]:
    found = []
    for name, each in figures.items():
        speed, memory = GOALS.get(name, GOAL)
        for who in OTHERS:
            if who in each:
                faster, less = (
                    round(figure, 3) for figure in (each[who]["faster"]["median"], each[who]["less_memory"])
                )
                found.append(Goal(f"{name}: times as fast as {who}", faster, speed, at_most=False))
                found.append(Goal(f"{name}: times less memory than {who}", less, memory, at_most=False))
    return found


if __name__ == "__main__":
    main()
