"""R8: fewer labels: the teacher labels what has none, and the student learns from that.

Fashion-MNIST with 1 % of its labels. A student trained on these alone is held against the same student that also
learns, from all the other training images, what a teacher says of them: a teacher trained (a) on those same 1 %,
(b) on 10 % of the labels, among which are the 1 %. All students take as many steps of as many images; the split, the
labels kept and the teachers are the same for every seed. The goal: (b) is 5 points better than alone; (a) as it falls.
Pseudo-labels (Lee 2013) and Noisy Student (Xie et al. 2020) give no figure on this data to compare with.

Budget: 25 minutes of one core. It can be killed and started again: it resumes by itself.

    python benchmarks/few_labels.py --data-root DATA
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from limbeck import LimbeckError, distill
from limbeck.data import Data, open_data, without_labels
from limbeck.evaluate import paired_gain
from limbeck.recipes import train
from limbeck.recipes.watching import Show
from limbeck.report.record import RunRecord
from record import Goal, environment, write_record

TEACHER, STUDENT = "cnn:24-48-96", "cnn:16-32"
FEW, MORE = 0.01, 0.1
PLAN = {"epochs": 6, "lr": 3e-3, "batch_size": 64}
TEACHER_PLAN = {"lr": 2e-3, "batch_size": 64}
TEACHER_EPOCHS = {"a": 200, "b": 40}
"""The fewer the labels, the more passes over them: 800 and 1,280 steps."""


def main() -> int:
    options = arguments()
    folder = Path(options.data_root) / "fashion-mnist"
    if not folder.is_dir():
        raise LimbeckError(f"No {folder}: name the folder that holds fashion-mnist with --data-root.")
    whole = open_data(f"idx:{folder}", limit=options.limit)
    few, more = without_labels(whole, FEW), without_labels(whole, MORE)
    work = Path(options.work)
    teachers = {
        "a": taught_by_labels(few, "a", work),
        "b": taught_by_labels(more, "b", work),
    }
    runs = {
        name: labelled_by(spec, few, work / f"student-{name}", options.seeds, alone=name == "a")
        for name, spec in teachers.items()
    }
    figures = told(runs, len(few.train), len(more.train), len(few.unlabelled))
    print(figures)
    goal = Goal("points of (b) over alone", 100 * figures["gain"]["b"]["mean"], 5.0, at_most=False)
    print(goal)
    write_record(
        "few_labels", {"setting": setting(options), "figures": figures, "environment": environment()}
    )
    return 0


def taught_by_labels(data: Data, name: str, work: Path) -> str:
    """Train a teacher on the labels that were kept, once; return its spec."""
    out = work / f"teacher-{name}"
    if not (out / "run.json").exists():
        plan = {**TEACHER_PLAN, "epochs": TEACHER_EPOCHS[name], "evaluate_every": 5}
        settings = {"train": plan, "augment": "shift"}
        train(TEACHER, data, out, resume=(out / "config.yaml").exists(), show=Show(Console()), **settings)
    return f"run:{out}"


def labelled_by(teacher: str, data: Data, out: Path, seeds: int, *, alone: bool) -> RunRecord:
    """Distil with the teacher's labels on what has none."""
    from limbeck.report.record import read_run

    if not (out / "run.json").exists():
        distill(
            teacher,
            STUDENT,
            data,
            out,
            scheme="SemiSupervised",
            alone=alone,
            seeds=seeds,
            train=PLAN,
            augment="shift",
            resume=(out / "config.yaml").exists(),
            show=Show(Console()),
        )
    return read_run(out)


def told(runs: dict[str, RunRecord], few: int, more: int, unlabelled: int) -> dict[str, Any]:
    """Return test accuracies by seed, and the gains over alone with their intervals."""
    alone = values(runs["a"], "alone")
    students = {name: values(run, "student") for name, run in runs.items()}
    gains = {name: paired_gain(found, alone, None, True) for name, found in students.items()}
    return {
        "labels": {"few": few, "more": more, "without": unlabelled},
        "teacher": {name: values(run, "teacher")[0] for name, run in runs.items()},
        "alone": alone,
        "student": students,
        "gain": {name: {"mean": each.mean, "ci95": each.ci95} for name, each in gains.items()},
    }


def values(run: RunRecord, role: str) -> list[float]:
    """Return a role's test accuracies, one for each seed."""
    model = run.model(role)
    assert model is not None
    return [float(each) for each in model.scores["accuracy"].values if each is not None]


def setting(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "data": "fashion-mnist",
        "limit": options.limit,
        "teacher": TEACHER,
        "student": STUDENT,
        "plan": PLAN,
        "teacher_plan": TEACHER_PLAN,
        "teacher_epochs": TEACHER_EPOCHS,
        "seeds": options.seeds,
        "loss": "KD at T = 1, on unlabelled images only; 7 of them for each labelled one",
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fewer labels, a teacher for the rest.")
    parser.add_argument("--data-root", default=os.environ.get("LIMBECK_DATA", "data"))
    parser.add_argument("--work", default=str(Path(tempfile.gettempdir()) / "limbeck-few-labels"))
    parser.add_argument("--limit", type=int, default=20_000, help="training images")
    parser.add_argument("--seeds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LimbeckError as error:
        sys.exit(f"few_labels: {error}")
