"""Whether bf16 for teacher and student costs accuracy: a short training on Fashion-MNIST, paired by seed."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from by_hand import KD_WEIGHT, TASK_WEIGHT, TEMPERATURE
from limbeck import Classification, Frozen, Offline, Plan, Supervised, Term, fit, losses
from limbeck.data import Data, open_data
from limbeck.data import fit as fit_inputs
from limbeck.evaluate.gain import paired_gain
from limbeck.evaluate.quality import evaluate, predictor
from limbeck.recipes.setup import Reader


def compare(folder: Path, quick: bool) -> dict[str, Any]:
    """Return the test accuracies of students taught in fp32 and in bf16, and their paired difference.

    Args:
        folder: Fashion-MNIST in idx files.
        quick: two seeds and few samples.
    """
    data = open_data(f"idx:{folder}", limit=320 if quick else 6000)
    reader = Reader(data, {"student": fit_inputs(data.source, data.train, data.shape)})
    epochs, seeds = (1, range(2)) if quick else (4, range(5))
    teacher = fit(Supervised(net("resnet34", 0)), feed(reader, 0), plan(epochs, 0)).model
    scores: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for seed in seeds:
        for precision, found in scores.items():
            frozen = Frozen(teacher, precision="fp32" if precision == "fp32" else "auto")
            term = Term(losses.KD(TEMPERATURE), weight=KD_WEIGHT)
            scheme = Offline(net("resnet18", seed), frozen, [term], task_weight=TASK_WEIGHT)
            student = fit(scheme, feed(reader, seed), plan(epochs, seed, precision)).model
            found.append(accuracy(student, reader, data, quick))
    return {
        "data": f"Fashion-MNIST, {len(data.train)} training images, {epochs} epochs of batches of 32 at 28 pixels",
        "teacher": accuracy(teacher, reader, data, quick),
        "teacher_precision": frozen.precision.to_dict() if frozen.precision else None,
        **{name: summary(found) for name, found in scores.items()},
        "difference": asdict(paired_gain(scores["bf16"], scores["fp32"], None)),
    }


def net(name: str, seed: int) -> nn.Module:
    import timm

    torch.manual_seed(seed)
    return timm.create_model(name, num_classes=10, in_chans=1)


def feed(reader: Reader, seed: int) -> Any:
    return reader.feed("none", seed)


def plan(epochs: int, seed: int, precision: str = "fp32") -> Plan:
    return Plan(
        epochs=epochs,
        batch_size=32,
        lr=1e-3,
        seed=seed,
        precision=precision,
        select="last",
        evaluate_every=epochs,
    )


def accuracy(model: nn.Module, reader: Reader, data: Data, quick: bool) -> float:
    part = data.test[:500] if quick else data.test
    return evaluate(
        predictor(model, Classification()), reader.whole(part), Classification(), full=False
    ).scores["accuracy"]


def summary(values: Sequence[float]) -> dict[str, Any]:
    mean = math.fsum(values) / len(values)
    spread = math.sqrt(math.fsum((each - mean) ** 2 for each in values) / max(1, len(values) - 1))
    return {"mean": mean, "std": spread, "values": list(values)}
