"""A cache of 100 million records: how long it takes to open, what that needs, and how fast a random gather is.

What was done to be fair:

- The large and the small cache (100,000 records) are made by the same code, with records as wide as those of the ten
  largest of 1,000 logits; their bytes are random. Both are complete, with marks and checksums.
- Opening is timed in fresh processes, by their own clock, imports not counted; the median of all is given. What it
  needs is the resident memory of the process after it over that before it.
- A gather is 256 places of all of a cache, drawn anew each time and the same way for both, in turns of 1,000 gathers
  in one process (A B, B A, …); drawing is not counted. Pages are warm: every block was checked once before. What the
  first touches cost, when pages lie in the page cache but blocks are to be checked, is given beside it, and so is how
  many pages came from the disk during the turns, since a system short of memory may have dropped some.
"""

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from limbeck.cache.header import Header
from limbeck.cache.store import Store
from limbeck.cache.topk import TopK
from paired import alternate
from record import Goal, keep

BATCH, LARGE, SMALL, PIECE = 256, 100_000_000, 100_000, 1 << 20
BATCHES = 1000
SECONDS, MEBIBYTES, RATIO = 1.0, 200.0, 5.0
FIELD = "logits"

OPENING = """
import json, os, sys, time
from pathlib import Path
from limbeck.cache.store import Store

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

before, began = resident(), time.perf_counter()
store = Store.open(sys.argv[1])
seconds = time.perf_counter() - began
print(json.dumps([seconds, resident() - before, before, store.filled]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="a million records: a smoke test, not a measurement"
    )
    parser.add_argument("--work", type=Path, default=None, help="folder with 4 GB of room, for the while")
    options = parser.parse_args()
    torch.set_num_threads(1)
    count, rounds = (1_000_000, 5) if options.quick else (LARGE, 41)
    needed = count * (TopK(1000).width + 2)
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        free = shutil.disk_usage(folder).free
        if free < 2 * needed:
            sys.exit(
                f"{needed / 1e9:.1f} GB are needed twice over, and {free / 1e9:.1f} are free: give --work."
            )
        large, small = Path(folder, "large"), Path(folder, "small")
        seconds = made(large, count)
        made(small, SMALL)
        figures = {
            "records": count,
            "gigabytes": sum(each.stat().st_size for each in large.iterdir()) / 1e9,
            "seconds_to_fill": seconds,
            "opening": opening(large, 3 if options.quick else 11),
            **gathering(large, small, rounds),
        }
    goals = [
        Goal("seconds to open", figures["opening"]["seconds"], SECONDS),
        Goal("MiB that opening takes", figures["opening"]["mebibytes"], MEBIBYTES),
        Goal("random gather, times a small cache's", figures["ratio"]["median"], RATIO),
    ]
    keep("cache_scale", figures, goals, __doc__, options.quick)


def made(folder: Path, count: int) -> float:
    """Fill a cache in the order of places, and return the seconds that the store took."""
    width, spent = TopK(1000).width, 0.0
    with Store.create(folder, Header(count, 1, {FIELD: {"width": width}}), torch.arange(count)) as store:
        for start in range(0, count, PIECE):
            places = torch.arange(start, min(start + PIECE, count))
            rows = torch.randint(256, (len(places), width), dtype=torch.uint8)
            began = time.perf_counter()
            store.write(places, {FIELD: rows})
            spent += time.perf_counter() - began
        assert store.complete
    print(f"{count:,} records filled in {spent:.1f} s", flush=True)
    return spent


def opening(folder: Path, times: int) -> dict[str, Any]:
    """Return the median seconds and MiB of opening a cache in a fresh process."""
    runs = []
    for _ in range(times):
        found = subprocess.run(
            [sys.executable, "-c", OPENING, str(folder)], capture_output=True, text=True, check=True
        )
        runs.append(json.loads(found.stdout))
    seconds, mebibytes, before, _ = (statistics.median(column) for column in zip(*runs, strict=True))
    print(
        f"opened in {seconds * 1e3:.1f} ms, with {mebibytes:.1f} MiB more than the {before:.0f} MiB of the imports"
    )
    return {"seconds": seconds, "mebibytes": mebibytes, "mebibytes_of_imports": before, "runs": runs}


def gathering(large: Path, small: Path, rounds: int) -> dict[str, Any]:
    """Return microseconds of a random gather from both, and their ratio."""
    with Store.open(large) as many, Store.open(small) as few:
        first = untouched(many)
        began = time.perf_counter()
        many.verify()
        seconds = time.perf_counter() - began
        few.verify()
        places = {name: torch.zeros(BATCHES, BATCH, dtype=torch.int64) for name in ("large", "small")}
        turns = {"large": turn(many, places["large"]), "small": turn(few, places["small"])}

        def draw() -> None:
            for store, name in ((many, "large"), (few, "small")):
                places[name].random_(store.header.samples)

        before = resource.getrusage(resource.RUSAGE_SELF).ru_majflt
        times = alternate({"draw": draw, **turns}, rounds)
        read_again = resource.getrusage(resource.RUSAGE_SELF).ru_majflt - before
    ratio = times.ratio("large", "small")
    found = {name: statistics.median(times.wall[name]) / BATCHES * 1e6 for name in ("large", "small")}
    print(f"gather {found['large']:.1f} µs, from the small one {found['small']:.1f} µs: {ratio}")
    print(
        f"by processor time {times.ratio('large', 'small', 'cpu')}; {read_again} pages came from the disk meanwhile"
    )
    print(f"first touches {first * 1e3:.1f} ms a batch; verify {seconds:.1f} s")
    return {
        "microseconds": found,
        "ratio": asdict(ratio),
        "cpu_ratio": asdict(times.ratio("large", "small", "cpu")),
        "pages_read_from_disk_meanwhile": read_again,
        "first_touches_seconds_a_batch": first,
        "verify_seconds": seconds,
    }


def turn(store: Store, drawn: Tensor) -> Callable[[], None]:
    """Return a turn of gathers of what is drawn by then."""
    batches, zeros = list(drawn), torch.zeros(BATCH, dtype=torch.int64)

    def run() -> None:
        for index in batches:
            store.read(FIELD, store.places(index, zeros))

    return run


def untouched(store: Store) -> float:
    """Return the median seconds of the first batches, whose blocks are checked."""
    seconds = []
    for index in torch.randint(store.header.samples, (5, BATCH)):
        began = time.perf_counter()
        store.read(FIELD, store.places(index, torch.zeros_like(index)))
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
