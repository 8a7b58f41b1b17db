"""How far each loss on logits is off when the teacher is read from a cache instead of asked: values and gradients.

Networks really trained: on Fashion-MNIST (10 classes, 28 pixels, 10,000 images) and on Tiny ImageNet (100 classes, 32
pixels), a small net as teacher and a smaller one, early in its training, as student. Of the test images each loss and
its gradient to the student is taken twice, in batches of 256, from the teacher's logits and from the same logits
written to records and read again:

    value     |cached - live| / live, of the mean over batches
    each      norm of the difference of the gradients over that of the live ones: every sample's
    batch     the same of the gradients' sums over a batch: what does not average out
    kl        KL(live || cached) of the softened distributions, in nats

TopK learns what its teacher usually answers from answers to training images, as a cache that is being filled does. A
sharper teacher is the same one with its logits times four. Beside the losses: bytes of a record, time to write and
read 256 of them on one core, and how far pooled features are off.

Budget: 8 minutes of one core, most of it training, kept in --work; 1 minute once that is there.

    python benchmarks/cache_error.py --data-root DATA
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cache_trained import NETS, WORK, Answers, answers_of
from limbeck import LimbeckError, losses
from limbeck.cache.dense8 import Dense8
from limbeck.cache.dense16 import Dense16
from limbeck.cache.layout import Layout
from limbeck.cache.topk import TopK
from limbeck.functional import softened
from limbeck.types import Context
from record import Goal, environment, write_record

NAME = "cache_error"
BATCH, TEMPERATURES = 256, range(1, 9)
SHARPER = 4.0
CASES: dict[str, nn.Module] = {
    **{f"KD, T = {t}": losses.KD(t) for t in TEMPERATURES},
    **{f"LogitStandardization, T = {t}": losses.LogitStandardization(t) for t in TEMPERATURES},
    **{f"DIST, T = {t}": losses.DIST(t) for t in TEMPERATURES},
    "DKD, T = 4": losses.DKD(4),
    "NKD": losses.NKD(),
    "LogitRegression": losses.LogitRegression(),
}
GOALS = {"C = 10, dense": (Dense8(10), 14), "C = 100, dense": (Dense8(100), 104), "C = 100, top 10": (TopK(100), 28),
         "C = 1000, top 10": (TopK(1000), 32), "C = 1000, top 10 of 5 bits (stretch)": (TopK(1000, bits=5), 24),
         "C = 1000, top 10 and label": (TopK(1000, label=True), 40)}  # fmt: skip


def layouts_of(answers: Answers) -> dict[str, Layout]:
    """Return the layouts that are measured, TopK for many classes only."""
    classes = answers.teacher.shape[1]
    found: dict[str, Layout] = {"Dense8": Dense8(classes), "Dense16": Dense16(classes)}
    if classes > 10:
        plain = TopK(classes)
        found |= {
            "TopK": plain.fitted(answers.taught),
            "TopK, 5 bits": TopK(classes, bits=5).fitted(answers.taught),
            "TopK, label": TopK(classes, label=True).fitted(answers.taught),
            "TopK, 15 of 5 bits": TopK(classes, k=15, bits=5).fitted(answers.taught),
            "TopK, not fitted": plain,
        }
    return found


def measured(answers: Answers, layout: Layout) -> dict[str, Any]:
    """Return how far every loss is off with one layout."""
    rows = layout.encode(answers.teacher, answers.labels)
    cached = layout.decode(rows, answers.labels)
    kl = {f"T = {t}": float(divergence(answers.teacher, cached, t)) for t in TEMPERATURES}
    found = {name: off(loss, answers, cached) for name, loss in CASES.items()}
    same = float((cached.argmax(1) == answers.teacher.argmax(1)).double().mean())
    return {"bytes": layout.width, "kl": kl, "same_class": same, "losses": found}


def off(loss: nn.Module, answers: Answers, cached: Tensor) -> dict[str, float]:
    """Return the errors of a loss and of its gradient, as shares of the live ones."""
    values, gradients = [], []
    count = len(cached) // BATCH * BATCH
    for knows in (answers.teacher, cached):
        known = answers.student[:count].clone().requires_grad_()
        batches = zip(*(each[:count].split(BATCH) for each in (known, knows, answers.labels)), strict=True)
        total = torch.stack([loss(s, t, Context(targets=y)) for s, t, y in batches]).mean()
        gradients.append(torch.autograd.grad(total, known)[0])
        values.append(total.item())
    sums = [each.unflatten(0, (-1, BATCH)).sum(1) for each in gradients]
    shares = {"each": gradients, "batch": sums}
    parts = {name: float((two - one).norm() / one.norm()) for name, (one, two) in shares.items()}
    return {"value": abs(values[1] / values[0] - 1), **parts}


def divergence(live: Tensor, cached: Tensor, temperature: float) -> Tensor:
    """Return KL(live || cached) in double precision: it goes down to 1e-9."""
    p, q = (softened(each.double(), temperature) for each in (live, cached))
    return (p * (p.clamp_min(1e-300).log() - q.clamp_min(1e-300).log())).sum(1).mean()


def features(answers: Answers) -> dict[str, dict[str, float]]:
    """Return how far pooled features are off, as a share of their length, and the cosine that is left."""
    found, vectors = {}, answers.features
    for layout in (Dense8(vectors.shape[1]), Dense16(vectors.shape[1])):
        read = layout.decode(layout.encode(vectors))
        share = (read - vectors).norm(dim=1) / vectors.norm(dim=1)
        cosine = torch.cosine_similarity(read.double(), vectors.double())
        found[layout.name] = {
            "bytes": layout.width,
            "off": float(share.mean()),
            "cosine": float(cosine.mean()),
        }
    return found


def timed(classes: int) -> dict[str, dict[str, float]]:
    """Return milliseconds of this thread to write and to read 256 rows, medians of 31."""
    torch.manual_seed(0)
    rows = torch.randn(2048, 16) @ torch.randn(16, classes) + torch.randn(2048, classes)
    labels, some = torch.randint(classes, (BATCH,)), rows[:BATCH]
    plain = TopK(classes)
    made = {"Dense8": Dense8(classes), "Dense16": Dense16(classes), "TopK": plain.fitted(rows),
            "TopK, label": TopK(classes, label=True).fitted(rows), "TopK, not fitted": plain}  # fmt: skip
    found = {}
    for name, layout in made.items():
        written = layout.encode(some, labels)
        found[name] = {
            "write_ms": median(partial(layout.encode, some, labels)),
            "read_ms": median(partial(layout.decode, written, labels)),
        }
    return found


def median(work: Callable[[], object]) -> float:
    spent = []
    for _ in range(31):
        start = time.thread_time()
        work()
        spent.append(1000 * (time.thread_time() - start))
    return round(statistics.median(spent), 3)


def table(found: dict[str, Any], temperatures: tuple[int, ...] = (1, 2, 4, 8)) -> str:
    """Return the errors in percent as a table: a loss a row, a layout a column."""
    lines = []
    for data, layouts in found.items():
        lines += ["", f"{data}: value / each sample's gradient / the batch's gradient, in %, and KL in nats"]
        lines.append(f"{'':30}" + "".join(f"{name:>27}" for name in layouts))
        lines.append(
            f"{'bytes of a record':30}" + "".join(f"{each['bytes'] + 1:27}" for each in layouts.values())
        )
        for t in temperatures:
            lines.append(
                f"{f'KL, T = {t}':30}"
                + "".join(f"{each['kl'][f'T = {t}']:27.1e}" for each in layouts.values())
            )
        for case in CASES:
            if "T = " not in case or int(case[-1]) in temperatures:
                cells = (each["losses"][case] for each in layouts.values())
                shown = (
                    " / ".join(f"{100 * each[k]:.2g}" for k in ("value", "each", "batch")) for each in cells
                )
                lines.append(f"{case:30}" + "".join(f"{each:>27}" for each in shown))
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", default=os.environ.get("LIMBECK_DATA", "../shared/data"))
    parser.add_argument("--work", type=Path, default=WORK)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found, kept = {}, {}
    for name in NETS:
        answers = answers_of(name, Path(options.data_root), options.work)
        kept[name] = answers
        found[name] = {each: measured(answers, layout) for each, layout in layouts_of(answers).items()}
    sharp = replace(answers, teacher=SHARPER * answers.teacher, taught=SHARPER * answers.taught)
    found[f"{name}, a sharper teacher"] = {
        each: measured(sharp, layout) for each, layout in layouts_of(sharp).items()
    }
    print(table(found))
    goals = [Goal(f"bytes of a record and its check, {name}", layout.width + 1, most)
             for name, (layout, most) in GOALS.items()]  # fmt: skip
    times = {f"C = {classes}": timed(classes) for classes in (100, 1000)}
    of_features = {name: features(each) for name, each in kept.items()}
    print(f"\n256 rows, ms of one core: {times}\nfeatures: {of_features}")
    for goal in goals:
        print(goal)
    write_record(
        NAME,
        {
            "environment": environment(),
            "networks": NETS,
            "accuracy": {name: accuracy(each) for name, each in kept.items()},
            "goals": [
                {"name": each.name, "bytes": each.figure, "bound": each.bound, "hit": each.hit}
                for each in goals
            ],
            "errors": found,
            "milliseconds_of_256_rows": times,
            "features": of_features,
        },
    )
    return 0


def accuracy(answers: Answers) -> dict[str, float]:
    given = {"teacher": answers.teacher, "student": answers.student}
    return {role: float((each.argmax(1) == answers.labels).double().mean()) for role, each in given.items()}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LimbeckError as error:
        sys.exit(f"{NAME}: {error}")
