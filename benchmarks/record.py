"""Keep what a benchmark measured: figures, goals and the circumstances, as JSON in ``results/``."""

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from limbeck.files import write_text

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("limbeck", "torch", "torchvision", "timm", "accelerate", "torchdistill")


@dataclass(frozen=True)
class Goal:
    """One figure and the bound it is to keep.

    Args:
        name: what was measured.
        figure: the measured value.
        bound: the value to keep.
        at_most: whether ``bound`` is the largest that will do, or the smallest.
    """

    name: str
    figure: float
    bound: float
    at_most: bool = True

    @property
    def hit(self) -> bool:
        return self.figure <= self.bound if self.at_most else self.figure >= self.bound

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        return (
            f"{'hit ' if self.hit else 'MISS'}  {self.name}: {self.figure:.3f} (goal {sign} {self.bound:g})"
        )


def load() -> float | None:
    """Return the one-minute load average, where the system tells it."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


LOAD_AT_START = load()


def environment() -> dict[str, Any]:
    """Return what the figures may depend on."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_before": LOAD_AT_START,
        "load_after": load(),
        "packages": versions,
        "commit": _commit(),
    }


def write_record(name: str, contents: Mapping[str, Any]) -> None:
    """Write ``results/NAME.json``, whole or not at all, with the command and the date.

    Args:
        name: of the record.
        contents: what was measured and where.
    """
    command = shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *_anywhere(sys.argv[1:])])
    about = {"name": name, "command": command, "date": datetime.now(UTC).isoformat(timespec="seconds")}
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({**about, **contents}, indent=1, ensure_ascii=False)
    write_text(RESULTS / f"{name}.json", text + "\n")
    print(f"record: benchmarks/results/{name}.json")


def _anywhere(words: list[str]) -> list[str]:
    """Return arguments that another machine understands: ``--data-root DATA`` in place of a path on this one."""
    names = {"--data-root": "DATA", "--work": "WORK"}
    before = ["", *words]
    return [
        names.get(option, Path(word).name) if Path(word).is_absolute() else word
        for option, word in zip(before, words, strict=False)
    ]


def keep(name: str, figures: Mapping[str, Any], goals: list[Goal], fairness: str, quick: bool) -> None:
    """Print each goal as hit or missed, and write the record.

    Args:
        name: of the record.
        figures: what was measured.
        goals: what was to be reached.
        fairness: what was done to be fair.
        quick: measured in too few rounds to be recorded.
    """
    for goal in goals:
        print(goal)
    if quick:
        print("measured quickly: no record is written")
        return
    write_record(
        name,
        {
            "environment": environment(),
            "fairness": " ".join(fairness.split()),
            "goals": [{**asdict(goal), "hit": goal.hit} for goal in goals],
            "figures": figures,
        },
    )


def _commit() -> str | None:
    """Return the commit, marked when the package's own code differs from it."""
    here = Path(__file__).parent
    git = ["git", "-C", str(here)]
    try:
        commit = subprocess.run(
            [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        )
        changed = subprocess.run(
            [*git, "status", "--porcelain", "../src"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + (" with changes" if changed.stdout.strip() else "")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor()
    flags = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return f"{name}, {'with' if flags.get('avx512_bf16') or flags.get('amx_bf16') else 'without'} bf16 arithmetic"
