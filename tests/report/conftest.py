"""Run folders as a recipe would leave them, made up from a seed: no training, the same numbers every time."""

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

DIGITS = [str(digit) for digit in range(10)]
NETS = {
    "teacher": ("cnn:32-64", 421_642, 11_400_000, 1_688_312, 1.92),
    "alone": ("cnn:8-16", 37_930, 812_000, 153_264, 0.34),
    "student": ("cnn:8-16", 37_930, 812_000, 153_264, 0.34),
    "model": ("cnn:32-64", 421_642, 11_400_000, 1_688_312, 1.92),
}


def score(values: list[float]) -> dict[str, Any]:
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "std": std, "values": [float(value) for value in values]}


def classification_scores(rng: np.random.Generator, accuracy: float, seeds: int) -> dict[str, Any]:
    values = np.clip(accuracy + rng.normal(0, 0.004, seeds), 0, 1)
    return {
        "accuracy": score(list(values)),
        "nll": score(list(3 * (1 - values) + 0.02)),
        "calibration_error": score(list(0.4 * (1 - values))),
        "macro_f1": score(list(values - 0.001)),
    }


def regression_scores(rng: np.random.Generator, rmse: float, seeds: int) -> dict[str, Any]:
    values = rmse + rng.normal(0, 0.3, seeds)
    return {
        "rmse": score(list(values)),
        "mae": score(list(0.8 * values)),
        "r2": score(list(1 - values / 100)),
    }


def confusion(rng: np.random.Generator, classes: int, right: float, total: int) -> np.ndarray:
    wrong = rng.dirichlet(np.full(classes, 0.25), classes)
    np.fill_diagonal(wrong, 0)
    wrong *= (1 - right) / np.maximum(wrong.sum(axis=1, keepdims=True), 1e-9)
    np.fill_diagonal(wrong, right)
    return np.stack([rng.multinomial(total, row / row.sum()) for row in wrong]).astype(np.int64)


def paired_gain(record: dict[str, Any]) -> dict[str, Any]:
    metric, up = record["protocol"]["metric"], record["protocol"]["higher_is_better"]
    found = {model["role"]: np.array(model["scores"][metric]["values"]) for model in record["models"]}
    change = (found["student"] - found["alone"]) * (1 if up else -1)
    interval = None
    if len(change) > 1:
        quantile = {2: 12.706, 3: 4.303, 5: 2.776}[len(change)]
        half = quantile * change.std(ddof=1) / math.sqrt(len(change))
        interval = [change.mean() - half, change.mean() + half]
    low, high = interval or (0, 0)
    gap = (found["teacher"].mean() - found["alone"].mean()) * (1 if up else -1)
    return {
        "metric": metric,
        "absolute": {"mean": change.mean(), "ci95": interval},
        "gap_recovered": change.mean() / gap if gap > 0 else None,
        "verdict": "helped" if low > 0 else "hurt" if high < 0 else "no evidence",
    }


def write_history(folder: Path, roles: dict[str, float], seeds: int, metric: str, *, rising: bool) -> None:
    rng = np.random.default_rng(3)
    with (folder / "history.csv").open("w", newline="") as lines:
        columns = ["role", "seed", "epoch", "step", "lr", "loss", "loss_task", "loss_kd", f"val_{metric}"]
        writer = csv.writer(lines)
        writer.writerow([*columns, "seconds"])
        for role, final in roles.items():
            for seed in range(1 if role == "teacher" else seeds):
                for epoch in range(1, 31):
                    left = math.exp(-epoch / 6) * (1 + 0.1 * rng.normal())
                    value = final - 0.4 * left if rising else final + 30 * left
                    loss = 0.05 + 2 * left + 0.01 * rng.normal()
                    parts = [loss, 0.3 * loss, 0.7 * loss] if role == "student" else [loss, loss, ""]
                    row = [role, seed, epoch, epoch * 18, 1e-3, *parts, value + 0.003 * rng.normal()]
                    writer.writerow([*row, 0.4 * epoch])


def make_run(
    folder: Path,
    *,
    kind: str = "distill",
    task: str = "classification",
    seeds: int = 5,
    classes: list[str] | None = None,
    alone: float | None = None,
    student: float | None = None,
    teacher: float | None = None,
    with_alone: bool = True,
    bare: bool = False,
    **changes: Any,
) -> Path:
    """Write a run folder and return it; ``bare`` leaves out everything a record may lack."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    classifies = task == "classification"
    levels = {"teacher": 0.985, "alone": 0.951, "student": 0.971} if classifies else {}
    levels = levels or {"teacher": 53.1, "alone": 57.4, "student": 55.2}
    levels |= {name: value for name, value in (("alone", alone), ("student", student)) if value is not None}
    levels |= {"teacher": teacher} if teacher is not None else {}
    if not with_alone:
        del levels["alone"]
    if kind == "train":
        levels = {"model": levels["teacher"]}
    metric, names = ("accuracy", classes or DIGITS) if classifies else ("rmse", None)
    make_scores = classification_scores if classifies else regression_scores
    models = []
    for role, level in levels.items():
        name, parameters, macs, size, latency = NETS[role]
        scores = make_scores(rng, level, seeds)
        if role == "teacher":
            scores = {key: score(each["values"][:1]) for key, each in scores.items()}
        models.append(
            {
                "role": role, "stage": 0, "part": "all", "name": name, "parameters": parameters, "macs": macs,
                "bytes": size, "latency_ms": {"median": latency, "iqr": 0.03, "batch": 1, "threads": 2},
                "scores": scores, "last_scores": {} if bare else scores,
            }
        )  # fmt: skip
    record: dict[str, Any] = {
        "schema": 1, "limbeck": "0.1.0", "kind": kind, "created": "2026-01-31T14:05:09+00:00",
        "command": f"limbeck {kind} --teacher cnn:32-64 --student cnn:8-16 --data digits --seeds {seeds} "
                   "--set kd.temperature=4 --set train.epochs=30 --out runs/digits",
        "recipe": {"teacher": "cnn:32-64", "student": "cnn:8-16", "kd": {"temperature": 4, "weight": 0.9},
                   "train": {"epochs": 30, "batch": 64, "optimizer": {"name": "AdamW", "lr": 0.002}}},
        "seeds": list(range(seeds)),
        "data": {"name": "digits" if classifies else "sklearn:diabetes", "task": task,
                 "fingerprint": "5f0c9f1c4d0e8a7be2f6b3f8b77f0c12a9d0d1a05c1f3e4f5a6b7c8d9e0f1a2b",
                 "train": 1150, "validation": 287, "test": 360, "classes": names},
        "protocol": {"teacher": None if kind == "train" else "fixed", "teacher_trained_here": kind != "train",
                     "selection": "best validation epoch", "metric": metric, "higher_is_better": classifies},
        "models": models, "gain": None, "fidelity": None,
        "cost": {"seconds": {role: 11.7 + 8 * index for index, role in enumerate(levels)},
                 "teacher_forwards": 0 if kind == "train" else 172_500, "student_steps": 540},
        "environment": {"python": "3.11.9", "torch": "2.7.1", "device": "cpu", "threads": 2, "git": None},
        "teacher_precision": None, "exported": None, "skipped": [],
    }  # fmt: skip
    if "alone" in levels and "student" in levels:
        record["gain"] = paired_gain(record)
    if kind == "distill" and not bare:
        record["fidelity"] = {"agreement": 0.968 if classifies else None, "kl": 0.0731}
        record["teacher_precision"] = {"choice": "bf16", "kl": 2.1e-5, "tolerance": 1e-3}
        record["exported"] = {"file": "student.onnx", "max_difference": 4.8e-6}
        record["environment"]["git"] = "1f3a9c0"
    record |= changes
    (folder / "run.json").write_text(json.dumps(record))
    if bare:
        return folder
    (folder / "config.yaml").write_text(
        "teacher: cnn:32-64\nstudent: cnn:8-16\nkd:\n  temperature: 4\n  weight: 0.9\n"
    )
    write_history(folder, levels, seeds, metric, rising=classifies)
    if names:
        each = 36 * seeds
        np.savez(
            folder / "confusion.npz", **{k: confusion(rng, len(names), v, each) for k, v in levels.items()}
        )
    return folder


NewRun = Callable[..., Path]


@pytest.fixture
def new_run(tmp_path: Path) -> NewRun:
    """Make run folders: ``new_run("name", seeds=3)`` returns a folder; see `make_run` for what can be changed."""
    return lambda name="run", **changes: make_run(tmp_path / name, **changes)


@pytest.fixture
def run_folder(new_run: NewRun) -> Path:
    """A finished distillation of digits: five seeds, ten classes."""
    return new_run("digits")


SCHEMES: dict[str, dict[str, Any]] = {
    "BornAgain": {"title": "born again", "about": "A network teaches a fresh one.", "paper": "BAN, 2018"},
    "SeveralTeachers": {
        "title": "several teachers",
        "about": "Teachers answer as one.",
        "paper": "Hinton 2015",
    },
    "Assistant": {"title": "assistant", "about": "A chain of networks.", "paper": "TAKD, 2020"},
    "Mutual": {"title": "mutual", "about": "Networks learn together.", "paper": "DML, 2018"},
    "Specialists": {"title": "specialists", "about": "Specialists teach together.", "paper": "Hinton 2015"},
    "Merged": {"title": "merged", "about": "Teachers of other classes.", "paper": "Shen 2019"},
    "OmittedClasses": {
        "title": "omitted classes",
        "about": "Some classes are missing.",
        "paper": "Hinton 2015",
    },
}
WITHOUT_TEACHER = ("BornAgain", "Mutual")


def row(like: dict[str, Any], role: str, accuracy: float | None = None, **changes: Any) -> dict[str, Any]:
    """Return a model's row made out of another one."""
    scores = like["scores"]
    if accuracy is not None:
        scores = {key: score([accuracy]) for key in scores}
    return {**like, "role": role, "scores": scores, "last_scores": {}, **changes}


def cast(scheme: str, record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows that a run of the scheme has, out of those of a usual run."""
    teacher, *_, student = record["models"]
    rest = record["models"][1:]
    together = {"latency_ms": None, "networks": 2}
    if scheme == "BornAgain":
        older = [row(student, "generation", stage=stage) for stage in (1, 2)]
        return [*rest, *older, row(student, "generation", 0.98, stage=4, **together, name="Ensemble of 4")]
    if scheme == "Mutual":
        return [*rest, *(row(student, "peer", stage=stage) for stage in (0, 1))]
    if scheme == "Assistant":
        return [teacher, *(row(teacher, "assistant", 0.97, stage=stage) for stage in (0, 1)), *rest]
    if scheme == "SeveralTeachers":
        single = [row(teacher, "teacher", stage=stage) for stage in (0, 1)]
        return [*single, row(teacher, "teacher", 0.99, stage=2, **together, name="Ensemble of 2"), *rest]
    if scheme == "Specialists":
        experts = [
            row(teacher, "specialist", 0.9, stage=stage, part=part)
            for stage, part in enumerate(["1, 7", "3, 5"])
        ]
        whole = row(teacher, "teacher", 0.99, stage=1, latency_ms=None, networks=3, name="Specialists of 3")
        return [teacher, *experts, whole, *rest]
    if scheme == "Merged":
        parts = ["idx:mnist", "idx:fashion"]
        single = [row(teacher, "teacher", 0.97, stage=stage, part=part) for stage, part in enumerate(parts)]
        whole = row(teacher, "teacher", 0.96, stage=2, **together, name="Merged of 2")
        own = [
            row(student, "student", 0.95 + 0.03 * stage, stage=stage + 1, part=part)
            for stage, part in enumerate(parts)
        ]
        return [*single, whole, *rest, *own]
    return list(record["models"])


def network(model: dict[str, Any]) -> str:
    """Return what a training of the model is called, as recipes name it."""
    if model["role"] in ("alone", "student", "model"):
        return str(model["role"])
    if (
        model["role"] == "teacher"
        and model["part"] == "all"
        and not model["stage"]
        and "networks" not in model
    ):
        return "teacher"
    return f"{model['role']}-{model['stage'] + (model['role'] != 'generation')}"


@pytest.fixture
def scheme_run(new_run: NewRun) -> NewRun:
    """Make a run of any scheme: ``scheme_run("Mutual", notes=[...])``, with the changes of `make_run`."""

    def make(scheme: str, name: str = "", **changes: Any) -> Path:
        folder = new_run(name or scheme)
        record = json.loads((folder / "run.json").read_text())
        record["models"] = cast(scheme, record)
        trained = [
            each for each in record["models"] if each.get("networks", 1) == 1 and each["role"] != "peer"
        ]
        names = [
            network(each) for each in trained if (each["role"], each["part"] == "all") != ("student", False)
        ]
        record["stages"] = [
            {"network": each, "stage": each, "seeds": record["seeds"], "epochs": 30, "steps": 540}
            for each in names
        ]
        record["cost"]["seconds"] = dict.fromkeys(names, 10.0)
        record["scheme"] = {"name": scheme, **SCHEMES[scheme]}
        if scheme in WITHOUT_TEACHER:
            record["protocol"] |= {"teacher": None, "teacher_trained_here": False}
            record["gain"]["gap_recovered"] = record["fidelity"] = record["teacher_precision"] = None
            with np.load(folder / "confusion.npz") as found:
                np.savez(folder / "confusion.npz", **{k: v for k, v in found.items() if k != "teacher"})
        write_history(folder, dict.fromkeys(names, 0.97), len(record["seeds"]), "accuracy", rising=True)
        (folder / "run.json").write_text(json.dumps(record | changes))
        return folder

    return make
