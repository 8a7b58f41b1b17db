"""What importing limbeck costs over importing torch, and whether ``limbeck --help`` needs torch.

What was done to be fair: every import is timed in a fresh interpreter, by its own clock, after one that warms the
disk's cache; the bare ``import limbeck`` loads nothing on purpose, so the goal is held by what people need next to it:
everything that ``limbeck.__all__`` promises.
"""

import argparse
import json
import statistics
import subprocess
import sys

from record import Goal, keep

GOAL_SECONDS = 0.5

IMPORTS = """
import json, time
began = time.perf_counter()
import torch
torch_done = time.perf_counter()
import limbeck
bare_done = time.perf_counter()
for name in limbeck.__all__:
    getattr(limbeck, name)
print(json.dumps([torch_done - began, bare_done - torch_done, time.perf_counter() - torch_done]))
"""

HELP = """
import json, sys, time
began = time.perf_counter()
from limbeck.cli import main
sys.argv = ["limbeck", "--help"]
try:
    main()
except SystemExit:
    pass
heavy = sorted({"torch", "torchvision", "timm", "numpy", "sklearn", "matplotlib"} & set(sys.modules))
print(json.dumps([time.perf_counter() - began, heavy]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few repeats: a smoke test, not a measurement")
    options = parser.parse_args()
    runs = [last_line(IMPORTS) for _ in range(1 + (2 if options.quick else 15))][1:]
    torch_alone, bare, everything = (statistics.median(column) for column in zip(*runs, strict=True))
    seconds, heavy = last_line(HELP)
    print(
        f"import torch {torch_alone:.2f} s; then limbeck {bare:.3f} s, all its public names {everything:.2f} s"
    )
    print(f"limbeck --help {seconds:.2f} s, imports {', '.join(heavy) or 'nothing heavy'}")
    figures = {
        "torch_seconds": torch_alone,
        "limbeck_seconds": bare,
        "public_names_seconds": everything,
        "runs": runs,
        "help": {"seconds": seconds, "heavy_imports": heavy},
    }
    goals = [
        Goal("seconds that limbeck's public names add to import torch", everything, GOAL_SECONDS),
        Goal("heavy packages that limbeck --help imports", len(heavy), 0),
    ]
    keep("import_time", figures, goals, __doc__, options.quick)


def last_line(program: str) -> list[float]:
    """Run a program in a fresh interpreter and return the JSON of its last line."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
