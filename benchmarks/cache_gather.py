"""A batch of 256 gathered from the cache, against the same records read one by one, and from one file per sample.

What was done to be fair:

- All contenders return the same uint8 tensor (256, width) for the same samples of one view, which is compared once;
  samples are drawn anew in every round, the same for all. They run in one process in turns (A B, B A, …) of some 40 ms
  each, so that other programs disturb all alike; ratios are taken within a round, median and quartiles are given.
- Records are as wide as those of the ten largest of 1,000 logits. Their bytes are random: nobody looks at them.
- Every file was read before, so all of it lies in the system's page cache, and every block of the cache was checked
  once, as it is in the first epoch. What that check costs is given as "first epoch": all records in random order, in a
  cache that was just opened, against the same again.
- The others check nothing at all. "rows of a map" index a memory-mapped array, as an ordinary array, which is faster
  than numpy.memmap itself; "seek and read" keep the file open; "one file per sample" opens, reads and closes it (a
  quarter of the samples, which helps it); "store, one by one" asks the cache for each record alone.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from limbeck.cache.header import Header
from limbeck.cache.store import Store
from limbeck.cache.topk import TopK
from limbeck.cache.view import shard
from paired import alternate
from record import Goal, keep

BATCH, SAMPLES, VIEWS, PIECE = 256, 100_000, 4, 10_000
TURN, DRAWN = 0.04, 32
FILES = SAMPLES // 4
GOAL = 20.0
FIELD = "logits"
ONE_BY_ONE = ("rows of a map", "seek and read", "store, one by one", "one file per sample")
MIXED = f"gather, {VIEWS} views in a batch"
PARTS = ("of the gather: where records lie", "of the gather: numpy's take")
REASONS = {
    ONE_BY_ONE[
        0
    ]: "Python's loop over 256 rows with no lookup, no check and no file takes less than 20 gathers with all three"
}
"""Why a goal may be missed."""
Gather = Callable[[Tensor, Tensor], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds: a smoke test, not a measurement")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rounds = 3 if options.quick else 41
    with tempfile.TemporaryDirectory() as folder:
        made(Path(folder))
        with Store.open(folder) as store:
            first = first_epoch(Path(folder))
            store.verify()
            found = measure(store, Path(folder), rounds)
    figures = {"reasons": REASONS, "width": TopK(1000).width, "first_epoch": first, **found}
    goals = [
        Goal(f"{name}: times as long as one gather", found[name]["ratio"]["median"], GOAL, at_most=False)
        for name in ONE_BY_ONE
    ]
    keep("cache_gather", figures, goals, __doc__, options.quick)


def made(folder: Path) -> None:
    """Fill a cache, and write its records as one file per sample beside it."""
    width = TopK(1000).width
    header = Header(SAMPLES, VIEWS, {FIELD: {"width": width}})
    with Store.create(folder, header, torch.arange(SAMPLES)) as store:
        for places in torch.arange(SAMPLES * VIEWS).split(PIECE):
            store.write(places, {FIELD: torch.randint(256, (len(places), width), dtype=torch.uint8)})
    (folder / "files").mkdir()
    for sample, row in enumerate(np.load(shard(folder, 0, FIELD))[:FILES]):
        (folder / "files" / str(sample)).write_bytes(row.tobytes())


def measure(store: Store, folder: Path, rounds: int) -> dict[str, Any]:
    """Return microseconds of a batch for each contender, and their ratios over the gather."""
    ways, zeros = contenders(store, folder), torch.zeros(BATCH, dtype=torch.int64)
    index = torch.randint(FILES, (BATCH,))
    for name, way in ways.items():
        assert torch.equal(way(index, zeros), ways["gather"](index, zeros)), name
    mixed = torch.randint(VIEWS, (BATCH,))
    ways[MIXED] = lambda index, _: ways["gather"](index, mixed)
    ways |= parts(store, folder)
    drawn = torch.randint(FILES, (DRAWN, BATCH))
    batches = list(drawn)  # parts of one tensor, which is drawn anew in place
    repeats = {
        name: round(max(1, TURN / once(lambda way=way: way(index, zeros)))) for name, way in ways.items()
    }

    def turn(name: str) -> Callable[[], None]:
        def run() -> None:
            for number in range(repeats[name]):
                ways[name](batches[number % DRAWN], zeros)

        return run

    draw = {"draw": lambda: drawn.random_(FILES)}
    times = alternate({**draw, **{name: turn(name) for name in ways}}, rounds)
    found = {}
    for name in ways:
        ratio, same = times.ratio(name, "gather"), repeats["gather"] / repeats[name]
        found[name] = {
            "microseconds": statistics.median(times.wall[name]) / repeats[name] * 1e6,
            "ratio": {quantile: value * same for quantile, value in asdict(ratio).items()},
            "batches_in_a_turn": repeats[name],
        }
        print(f"{name:28s} {found[name]['microseconds']:9.1f} µs   {found[name]['ratio']['median']:8.2f}")
    return found


def once(work: Callable[[], object]) -> float:
    """Return the least seconds that something took in a few tries."""
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def contenders(store: Store, folder: Path) -> dict[str, Gather]:
    """Return the ways to the records of some samples in view 0, each (index, view) -> (N, width) uint8."""
    path = shard(folder, 0, FIELD)
    rows = np.load(path, mmap_mode="r").view(np.ndarray)
    width, start = rows.shape[1], path.stat().st_size - rows.size
    file = os.open(path, os.O_RDONLY)

    def gather(index: Tensor, view: Tensor) -> Tensor:
        return store.read(FIELD, store.places(index, view))

    def alone(index: Tensor, view: Tensor) -> Tensor:
        places = store.places(index, view)
        return torch.cat([store.read(FIELD, places[each : each + 1]) for each in range(len(places))])

    def mapped(index: Tensor, _: Tensor) -> Tensor:
        return torch.from_numpy(np.stack([rows[each] for each in index.tolist()]))

    def sought(index: Tensor, _: Tensor) -> Tensor:
        read = []
        for each in index.tolist():
            os.lseek(file, start + each * width, os.SEEK_SET)
            read.append(np.frombuffer(os.read(file, width), np.uint8))
        return torch.from_numpy(np.stack(read))

    def files(index: Tensor, _: Tensor) -> Tensor:
        read = []
        for each in index.tolist():
            with open(f"{folder}/files/{each}", "rb") as one:  # noqa: PTH123 - the fastest way there is
                read.append(np.frombuffer(one.read(), np.uint8))
        return torch.from_numpy(np.stack(read))

    ways = (mapped, sought, alone, files)
    return {"gather": gather, **dict(zip(ONE_BY_ONE, ways, strict=True))}


def parts(store: Store, folder: Path) -> dict[str, Gather]:
    """Return what a gather does, apart."""
    rows = np.load(shard(folder, 0, FIELD), mmap_mode="r").view(np.ndarray)
    ways: tuple[Gather, ...] = (
        store.places,
        lambda index, _: torch.from_numpy(rows.take(index.numpy(), axis=0)),
    )
    return dict(zip(PARTS, ways, strict=True))


def first_epoch(folder: Path) -> dict[str, float]:
    """Return the seconds of all records of a view in random order, with blocks checked on first touch and without."""
    seconds = []
    with Store.open(folder) as store:
        for _ in range(2):
            began = time.perf_counter()
            for index in torch.randperm(SAMPLES).split(BATCH):
                store.read(FIELD, store.places(index, torch.zeros_like(index)))
            seconds.append(time.perf_counter() - began)
    print(f"first epoch {seconds[0] * 1e3:.1f} ms, the same again {seconds[1] * 1e3:.1f} ms")
    return {"with_checks": seconds[0], "again": seconds[1]}


if __name__ == "__main__":
    main()
