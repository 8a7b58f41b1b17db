"""Every method at the same budget: the table the field lacks.

On one pair, the student alone, KD and every other loss, each as `limbeck distill --loss NAME` would use it: the
paper's settings, weights and layers, in the same number of epochs (stages included), with the same initial
weights, order and augmentation for the same seed. Three seeds for all, eight for the five best, and then the best
five on pairs that nothing was chosen on. No method was tuned here, ours as little as others': a method that needs
its weight searched is shown as it comes. Scores are test accuracies after the last epoch; nothing is selected on
them but which methods get more seeds, and those are judged on other pairs.

It can be killed and started again: what is in the record is not trained again.

    python benchmarks/method_table.py --data-root DATA --workers 2
    python benchmarks/method_table.py --show
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from limbeck import losses
from limbeck.data import open_data
from limbeck.evaluate import evaluate, paired_gain
from limbeck.evaluate.quality import predictor
from limbeck.recipes.candidates import Candidate, task_for
from limbeck.recipes.knowledge import LOSSES, Knowledge
from limbeck.recipes.lessons import Lessons
from limbeck.recipes.setup import Reader
from limbeck.recipes.training import train
from limbeck.recipes.wiring import Wiring
from limbeck.schemes import Supervised
from limbeck.teachers import Frozen
from limbeck.train import Feed, Plan, Stage, fit_stages
from method_pairs import CHECKS, CHOSEN_ON, OTHERS, PAIRS, Pair, data_of
from record import RESULTS, environment, write_record

NAME = "method_table"
LEFT_OUT = {"BoundedRegression": "is for regression"}
VARIANTS = {"KD, T = 1": {"loss": "KD", "temperature": 1.0}, "KD, T = 2": {"loss": "KD", "temperature": 2.0}}
"""KD at its usual temperature of 4 is a row too; these ask whether another temperature is all that a method adds."""
LARGER = {
    "SimKD": "ships a projector and the teacher's classifier, so its student is larger than the others'"
}
FIRST_SEEDS, MORE_SEEDS, OTHER_SEEDS, BEST = 3, 8, 5, 5


def teacher_of(pair: Pair, root: Path, work: Path) -> str:
    """Train the teacher once, into a run that every student's process opens."""
    words = "".join(each if each.isalnum() else "-" for each in f"{pair.data}-{pair.teacher}-{pair.size}")
    folder = work / words
    if not (folder / "model.safetensors").exists():
        plan = {
            "epochs": pair.teacher_epochs,
            "batch_size": 64,
            "lr": 3e-3,
            "precision": "bf16",
            "select": "last",
        }
        train(
            pair.teacher,
            data_of(pair, root),
            folder,
            limit=pair.teacher_limit,
            size=pair.size,
            train={**plan, "evaluate_every": pair.teacher_epochs},
            resume=folder.exists(),
        )
    return f"run:{folder}"


def accuracy_of(run: str) -> float:
    """Return the test accuracy of a run's model."""
    record = json.loads((Path(run.removeprefix("run:")) / "run.json").read_text())
    return float(record["models"][0]["scores"]["accuracy"]["mean"])


def one(pair: Pair, method: str, seed: int, root: Path, teacher: str) -> dict[str, float]:
    """Train one student and return its test accuracy, the seconds it took and the parameters that it ships."""
    torch.set_num_threads(1)
    data = open_data(data_of(pair, root), limit=pair.limit, size=pair.size)
    task = task_for(data)
    knows = Candidate(teacher, "teacher", data, task).open(0)
    model = Candidate(pair.student, "student", data, task).open(seed)
    inputs = {"student": model.inputs}
    started = time.perf_counter()
    stages = [Stage("alone", lambda: Supervised(model.module, task))]
    deployed = model
    if method != "alone":
        inputs["teacher"] = knows.inputs
        frozen = Frozen(knows.module, precision="fp32")
        few = Reader(data, inputs).few(4)
        wiring = Wiring(model.module, knows.module, few, task, data.train, seed)
        lessons = Lessons(Knowledge(**VARIANTS.get(method, {"loss": method})), wiring, frozen)
        stages = lessons.stages()
        deployed = lessons.deployed(model)
    feed = Feed(Reader(data, inputs).feed(None, seed).train)
    plan = Plan(
        epochs=pair.epochs, lr=pair.lr, batch_size=pair.batch_size, seed=seed, select="last", device="cpu"
    )
    fit_stages(stages, feed, plan)
    seconds = time.perf_counter() - started
    reader = Reader(data, {"student": model.inputs})
    scores = evaluate(predictor(deployed.module, task), reader.batches(data.test), task, full=False).scores
    parameters = sum(each.numel() for each in deployed.module.parameters())
    return {"accuracy": scores["accuracy"], "seconds": round(seconds, 1), "parameters": parameters}


def reads(student: str, method: str) -> bool:
    """Return whether a student has what a method listens to: a shallow net has no feature maps."""
    return not student.startswith("mlp") or "map" not in getattr(losses, method, losses.KD).place


class Table:
    """What was measured so far: pair -> method -> seed -> accuracy and seconds."""

    def __init__(self) -> None:
        path = RESULTS / f"{NAME}.json"
        kept = json.loads(path.read_text()) if path.exists() else {}
        self.runs: dict[str, Any] = kept.get("runs", {})
        self.teachers: dict[str, float] = kept.get("teachers", {})

    def scores(self, pair: str, method: str, seeds: int = MORE_SEEDS) -> list[float]:
        found = self.runs.get(pair, {}).get(method, {})
        return [found[str(seed)]["accuracy"] for seed in range(seeds) if str(seed) in found]

    def add(self, pair: str, method: str, seed: int, found: dict[str, float]) -> None:
        self.runs.setdefault(pair, {}).setdefault(method, {})[str(seed)] = found

    def missing(self, pair: str, methods: list[str], seeds: int) -> Iterator[tuple[str, str, int]]:
        for seed in range(seeds):
            for method in methods:
                if str(seed) not in self.runs.get(pair, {}).get(method, {}):
                    yield pair, method, seed

    def best(self) -> list[str]:
        """Return the methods with the highest mean over the first seeds, of those with a student of one size."""
        known = [each for each in self.runs.get(CHOSEN_ON, {}) if each not in {"alone", *LARGER}]
        ranked = sorted(known, key=lambda each: -statistics.fmean(self.scores(CHOSEN_ON, each, FIRST_SEEDS)))
        return ranked[:BEST]

    def write(self, teachers: dict[str, str]) -> None:
        write_record(
            NAME,
            {
                "environment": environment(),
                "fairness": " ".join((__doc__ or "").split("\n\n")[1].split()),
                "pairs": {name: asdict(pair) for name, pair in PAIRS.items()},
                "teachers": {**self.teachers, **{pair: accuracy_of(run) for pair, run in teachers.items()}},
                "left_out": LEFT_OUT,
                "larger": LARGER,
                "runs": self.runs,
                "tables": {pair: rows(self, pair) for pair in self.runs},
            },
        )


def rows(table: Table, pair: str) -> list[dict[str, Any]]:
    """Return one row for each method, best first: mean, gain over alone and over KD with 95 % intervals."""
    found = []
    for method in table.runs[pair]:
        scores = table.scores(pair, method)
        row: dict[str, Any] = {"method": method, "seeds": len(scores), "mean": statistics.fmean(scores)}
        row["parameters"] = max(each.get("parameters", 0) for each in table.runs[pair][method].values())
        row["seconds"] = statistics.median(each["seconds"] for each in table.runs[pair][method].values())
        for other in ("alone", "KD"):
            base = table.scores(pair, other)[: len(scores)]
            if method != other and len(base) == len(scores) > 1:
                gain = paired_gain(scores, base, None, True)
                row[f"over {other}"] = {"mean": gain.mean, "ci95": gain.ci95}
        found.append(row)
    return sorted(found, key=lambda row: -row["mean"])


def show(table: Table) -> None:
    for pair in table.runs:
        print(f"\n### {pair}: {PAIRS[pair].teacher} → {PAIRS[pair].student}, {PAIRS[pair].limit} images\n")
        print(
            "| method | seeds | accuracy | over alone | over KD | parameters | seconds |\n" + "|---" * 7 + "|"
        )
        for row in rows(table, pair):
            print(
                f"| {row['method']} | {row['seeds']} | {row['mean']:.2%} | {_told(row.get('over alone'))} | "
                f"{_told(row.get('over KD'))} | {row['parameters'] or '?'} | {row['seconds']:.0f} |"
            )


def _told(gain: dict[str, Any] | None) -> str:
    if gain is None:
        return ""
    low, high = gain["ci95"] or (float("nan"), float("nan"))
    return f"{100 * gain['mean']:+.2f} ({100 * low:+.2f}..{100 * high:+.2f})"


def work_through(table: Table, jobs: list[tuple[str, str, int]], arguments: argparse.Namespace) -> None:
    """Train what is missing, several at once, and keep each result as it comes."""
    teachers = {
        name: teacher_of(PAIRS[name], arguments.data_root, arguments.work)
        for name in {job[0] for job in jobs}
    }
    started = time.time()
    with ProcessPoolExecutor(arguments.workers) as pool:
        waiting = {
            pool.submit(one, PAIRS[pair], method, seed, arguments.data_root, teachers[pair]): (
                pair,
                method,
                seed,
            )
            for pair, method, seed in jobs
        }
        for done, future in enumerate(as_completed(waiting), start=1):
            pair, method, seed = waiting[future]
            found = future.result()
            table.add(pair, method, seed, found)
            table.write(teachers)
            left = (time.time() - started) / done * (len(jobs) - done) / 60
            told = f"{found['accuracy']:.2%} in {found['seconds']:.0f} s"
            print(f"{pair} {method} {seed}: {told}; {len(jobs) - done} to go, {left:.0f} min", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data-root", type=Path, default=Path(os.environ.get("LIMBECK_DATA", "../shared/data"))
    )
    parser.add_argument("--work", type=Path, default=Path("runs/method-table"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--show", action="store_true", help="print the tables of the record")
    parser.add_argument("--only", nargs="*", help="these methods")
    parser.add_argument("--first", action="store_true", help="stop after the first seeds")
    arguments = parser.parse_args()
    table = Table()
    if not arguments.show:
        methods = arguments.only or ["alone", *(each for each in LOSSES if each not in LEFT_OUT), *VARIANTS]
        work_through(table, list(table.missing(CHOSEN_ON, methods, FIRST_SEEDS)), arguments)
        if not arguments.first:
            best = list(dict.fromkeys(["alone", "KD", *VARIANTS, *table.best(), *LARGER]))
            work_through(table, list(table.missing(CHOSEN_ON, best, MORE_SEEDS)), arguments)
            for pair in [*OTHERS, *CHECKS]:
                heard = [each for each in best if reads(PAIRS[pair].student, each)]
                work_through(table, list(table.missing(pair, heard, OTHER_SEEDS)), arguments)
    show(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
