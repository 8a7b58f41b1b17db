"""Where the time of a small net's step goes when its teacher is kept: a profile behind cache_epoch.py's ratios.

The small nets of cache_epoch.py, batches of 64. Microseconds of each part, median of many, twice: *alone*, again and
again in a loop, and *in a step*, each time after a forward and backward of the student, which leave nothing of the
part in the processor's caches. What a step costs is the second. Parts of a filling step are timed inside one.

    python benchmarks/cache_step.py --data-root DATA
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from cache_epoch import CASES
from limbeck import Batch, Frozen, LimbeckError, Offline, Supervised, Term, losses
from limbeck.data import Views, augmentation
from limbeck.data import fit as fit_inputs
from limbeck.data.loader import Loader, Part
from limbeck.models import open_model
from limbeck.teachers import Cached, resident
from limbeck.teachers.shelf import Shelf
from record import environment, write_record

REPEATS = 300
PARTS = (
    (Cached, "_asked", "teacher"),
    (Cached, "_encoded", "encode"),
    (Cached, "_decoded", "decode"),
    (Shelf, "places", "find the places"),
    (Shelf, "present", "see which are there"),
    (Shelf, "write", "write, a batch in 32 to the disk"),
)
"""Methods of a filling step, and what they do."""
Work = Callable[[], object]


class Nets:
    """Student, teacher and views of the small case."""

    def __init__(self, root: Path):
        case = next(each for each in CASES if each.name == "small")
        source = case.source(root)
        shape, self.every = tuple(source.inputs.shape[1:]), torch.arange(len(source))
        inputs = fit_inputs(source, self.every, shape)
        self.views = Views(source, augmentation(case.augment, shape[1:]), inputs, canvas=shape[1:])
        torch.manual_seed(0)
        teacher, self.student = (
            open_model(spec, outputs=10, shape=shape).module for spec in (case.teacher, case.student)
        )
        self.frozen, self.size = Frozen(teacher), case.batch_size
        self.batch = self.read(self.every[: self.size])
        self.frozen.calibrate(self.batch)
        self.student.train()

    def read(self, index: Tensor, view: int = 0) -> Batch:
        return self.views.read(index, torch.full_like(index, view))

    def step(self) -> None:
        """Take the student through a forward and a backward."""
        self.student.zero_grad()
        self.student(self.batch.inputs).sum().backward()

    def cached(self, folder: Path) -> Cached:
        """Return a complete cache of one view."""
        part = Part(self.views, self.every, cycle=1)
        known = Cached(self.frozen, folder, part)
        for batch in Loader(part, 500):
            known(batch)
        return known


def microseconds(work: Work, before: Work = lambda: None) -> float:
    """Return the median time of ``work``, each time after something that is not timed."""
    taken = []
    for _ in range(REPEATS):
        before()
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1e6


def answers(nets: Nets, folder: Path) -> dict[str, dict[str, float]]:
    """Return what an answer costs: asked for, held in memory, read from the disk."""
    held = nets.cached(folder / "held")
    with mock.patch.object(resident, "MOST", 0):
        read = nets.cached(folder / "read")
        read(nets.batch)
    ways: dict[str, Work] = {
        "teacher asked": lambda: nets.frozen(nets.batch),
        "answer held in memory": lambda: held(nets.batch),
        "answer read from the disk": lambda: read(nets.batch),
    }
    return {
        name: {"alone": microseconds(work), "in a step": microseconds(work, nets.step)}
        for name, work in ways.items()
    }


def steps(nets: Nets, folder: Path) -> dict[str, float]:
    """Return forward and backward of a whole step: on labels, with KD from a tensor, with KD from the cache."""
    known = nets.cached(folder / "steps")
    logits, kd = torch.randn(nets.size, 10), losses.KD(4.0)
    plain = Supervised(nets.student)
    taught = Offline(nets.student, known, [Term(losses.KD(4.0), weight=0.9)], task_weight=0.1)

    def through(work: Callable[[], Tensor]) -> Work:
        def run() -> None:
            nets.student.zero_grad()
            work().backward()

        return run

    def by_hand() -> Tensor:
        outputs = nets.student(nets.batch.inputs)
        return 0.1 * nn.functional.cross_entropy(outputs, nets.batch.targets) + 0.9 * kd(outputs, logits)

    ways = {
        "labels": through(lambda: plain(nets.batch)["task"]),
        "labels and KD on a tensor": through(by_hand),
        "labels and KD on the cache": through(lambda: torch.stack(list(taught(nets.batch).values())).sum()),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(REPEATS):
        for name in sorted(ways, key=list(ways).index, reverse=number % 2 == 0):
            began = time.perf_counter()
            ways[name]()
            taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(each) * 1e6 for name, each in taken.items()}


@contextmanager
def timed(into: dict[str, list[float]]) -> Iterator[None]:
    """Time the methods of a filling step wherever they are called."""

    def watched(method: Callable[..., Any], name: str) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return method(*given, **named)
            finally:
                into.setdefault(name, []).append(time.perf_counter() - began)

        return run

    patches = [
        mock.patch.object(kind, method, watched(getattr(kind, method), name)) for kind, method, name in PARTS
    ]
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in patches:
            each.stop()


def filling(nets: Nets, folder: Path) -> dict[str, float]:
    """Return the mean microseconds of a filling step's answer and of its parts."""
    known = Cached(nets.frozen, folder / "filled", Part(nets.views, nets.every, cycle=3))
    parts: dict[str, list[float]] = {}
    whole = []
    with timed(parts):
        for view in range(3):
            for index in nets.every.split(nets.size):
                batch = nets.read(index, view)
                nets.step()
                began = time.perf_counter()
                known(batch)
                whole.append(time.perf_counter() - began)
    return {
        "whole answer": statistics.fmean(whole[10:]) * 1e6,
        **{name: sum(each[10:]) / len(whole[10:]) * 1e6 for name, each in parts.items()},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", default=os.environ.get("LIMBECK_DATA", "../shared/data"))
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    nets = Nets(Path(options.data_root))
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        figures = {
            "answers": answers(nets, folder),
            "forward and backward": steps(nets, folder),
            "filling": filling(nets, folder),
        }
    for name, each in figures.items():
        print(name, each)
    about = {"environment": environment(), "fairness": " ".join((__doc__ or "").split("\n\n")[1].split())}
    write_record("cache_step", {**about, "microseconds": figures})
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LimbeckError as error:
        sys.exit(f"cache_step: {error}")
