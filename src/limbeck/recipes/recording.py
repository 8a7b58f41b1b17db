"""From what was measured to ``run.json`` and its neighbours."""

import datetime
import inspect
import platform
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel

import limbeck
from limbeck.data import Data
from limbeck.evaluate import Fidelity, paired_gain
from limbeck.files import replacing
from limbeck.recipes.measuring import Composite, Measured
from limbeck.recipes.schemes.base import SchemeRecipe
from limbeck.report.record import RunRecord
from limbeck.tasks import Task


def make_record(
    *,
    kind: str,
    config: BaseModel,
    command: str,
    seeds: Sequence[int],
    data: Data,
    fingerprint: str | None = None,
    task: Task,
    models: Sequence[dict[str, Any]],
    measured: Mapping[str, Measured | Composite],
    protocol: dict[str, Any],
    fidelity: Fidelity | None = None,
    teacher_forwards: int = 0,
    teacher_precision: dict[str, Any] | None = None,
    history: Sequence[Mapping[str, Any]] = (),
    extra: Mapping[str, Any] | None = None,
) -> RunRecord:
    """Return the record of a run.

    Args:
        kind: ``"distill"`` or ``"train"``.
        config: the complete settings.
        command: repeats the run.
        seeds: of the students, in the order of their scores.
        data: what was read.
        fingerprint: of the data as it was opened; that of ``data`` unless told.
        task: names the metric.
        models: entries made by :func:`limbeck.recipes.measuring.facts`.
        measured: by role; ``alone`` and ``student`` give the gain.
        protocol: how the comparison was made fair.
        fidelity: student against teacher.
        teacher_forwards: samples run through the teacher while distilling.
        teacher_precision: what the frozen teacher ran in, and why.
        history: rows of every training, from which the stages are told.
        extra: further entries, by their names in the record.
    """
    return RunRecord.model_validate(
        {
            "schema": 1,
            "limbeck": limbeck.__version__,
            "kind": kind,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "command": command,
            "recipe": config.model_dump(mode="json"),
            "seeds": list(seeds),
            "data": {**_data_facts(data), **({"fingerprint": fingerprint} if fingerprint else {})},
            "protocol": {**protocol, "metric": task.metric, "higher_is_better": task.higher_is_better},
            "models": list(models),
            "gain": _gain(measured, task),
            "fidelity": asdict(fidelity) if fidelity else None,
            "cost": {
                "seconds": {role: each.seconds for role, each in measured.items()},
                "teacher_forwards": teacher_forwards,
                "student_steps": max(
                    (each.steps for role, each in measured.items() if role in ("alone", "student", "model")),
                    default=0,
                ),
                "waiting": _waiting(measured),
            },
            "environment": environment(),
            "teacher_precision": teacher_precision,
            "skipped": list(data.skipped),
            "stages": _stages(history),
            **(extra or {}),
        }
    )


def _stages(history: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what was trained, in order: each training of each network, over all seeds."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in history:
        key = (str(row["role"]), str(row.get("stage", row["role"])))
        entry = found.setdefault(
            key, {"network": key[0], "stage": key[1], "seeds": [], "epochs": 0, "steps": 0}
        )
        if row["seed"] not in entry["seeds"]:
            entry["seeds"].append(row["seed"])
            entry["epochs"], entry["steps"], entry["first"] = 0, 0, row
        entry["epochs"] += 1
        entry["steps"] = row["step"]
    return [{key: value for key, value in each.items() if key != "first"} for each in found.values()]


def _waiting(measured: Mapping[str, Measured | Composite]) -> float | None:
    """Return the share of the result's training time that was spent waiting for data."""
    found = measured.get("student", measured.get("model"))
    if not isinstance(found, Measured) or not found.seconds:
        return None
    return min(1.0, found.waiting / found.seconds)


def _data_facts(data: Data) -> dict[str, Any]:
    return {
        "name": data.name,
        "task": data.task,
        "fingerprint": data.fingerprint(),
        "train": len(data.train),
        "validation": len(data.validation),
        "test": len(data.test),
        "classes": list(data.classes) if data.classes else None,
        "notes": list(data.notes),
    }


def scheme_facts(recipe: SchemeRecipe) -> dict[str, str]:
    """Return who taught whom as the record has it.

    Example:
        >>> from limbeck.recipes.schemes.offline import OfflineRecipe
        >>> scheme_facts(OfflineRecipe())["about"]
        'The student learns from a teacher that no longer changes, and from the labels.'
    """
    about = (inspect.getdoc(type(recipe)) or "").partition("\n\n")[0]
    return {
        "name": recipe.name,
        "title": recipe.title,
        "about": " ".join(about.split()),
        "paper": recipe.paper,
    }


def _gain(measured: Mapping[str, Measured | Composite], task: Task) -> dict[str, Any] | None:
    if "alone" not in measured or "student" not in measured:
        return None
    teacher = measured["teacher"].values(task.metric)[0] if "teacher" in measured else None
    gain = paired_gain(
        measured["student"].values(task.metric),
        measured["alone"].values(task.metric),
        teacher,
        task.higher_is_better,
    )
    return {
        "metric": task.metric,
        "absolute": {"mean": gain.mean, "ci95": gain.ci95},
        "gap_recovered": gain.gap_recovered,
        "verdict": gain.verdict,
    }


def environment() -> dict[str, Any]:
    """Return where the run takes place.

    Example:
        >>> sorted(environment())
        ['device', 'git', 'python', 'threads', 'torch']
    """
    accelerator = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": accelerator or _processor(),
        "threads": torch.get_num_threads(),
        "git": _commit(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return name or platform.machine()


def _commit() -> str | None:
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None


def repeat_command(verb: str, out: Path, plugins: Sequence[str], config: BaseModel) -> str:
    """Return the command that runs the same again into a new folder, or why there is none.

    Example:
        >>> from limbeck.recipes.config import TrainConfig
        >>> repeat_command("train", Path("runs/a"), [], TrainConfig(model="mlp:4", data="digits"))
        'limbeck train runs/a/config.yaml --out runs/a-again'
    """
    values = [
        each
        for value in config.model_dump().values()
        for each in (value if isinstance(value, list) else [value])
    ]
    given = [str(value) for value in values if str(value).startswith("python:")]
    if given:
        names = ", ".join(each.removeprefix("python:") for each in given)
        return f"limbeck.{verb}(…) in Python: this run was given objects ({names}), which no command can name"
    words = ["limbeck", verb, str(out / "config.yaml"), "--out", f"{out}-again"]
    for each in plugins:
        words += ["--plugin", str(each)]
    return shlex.join(words)


def write_confusion(out: Path, measured: Mapping[str, Measured | Composite]) -> None:
    """Write ``confusion.npz``: one (C, C) table for each network of all classes, summed over seeds."""
    found = {role: each.confusion() for role, each in measured.items() if each.part == "all"}
    tables = {role: table.numpy() for role, table in found.items() if table is not None}
    if not tables:
        return
    with replacing(out / "confusion.npz") as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **tables)
