"""Trainings that follow one another on the same student: hints, then distillation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from limbeck.errors import LimbeckError
from limbeck.schemes import Scheme
from limbeck.train.engine import processes
from limbeck.train.feed import Feed
from limbeck.train.loop import Run, fit
from limbeck.train.plan import Plan
from limbeck.train.sharding import sharding_asked
from limbeck.train.watch import Watcher


@dataclass(frozen=True)
class Stage:
    """One training among several.

    Args:
        name: what the history and the checkpoints call it.
        scheme: makes the scheme when its turn has come, on the modules that earlier stages trained.
        share: of the plan's epochs, above 0; the shares of all stages sum to one.
    """

    name: str
    scheme: Callable[[], Scheme]
    share: float = 1.0


def fit_stages(
    stages: Sequence[Stage],
    data: Feed,
    plan: Plan | None = None,
    *,
    folder: str | Path | None = None,
    resume: bool = False,
    watchers: Sequence[Watcher] = (),
    label: str = "student",
) -> Run:
    """Train stage after stage, each by :func:`limbeck.train.fit`, within the plan's epochs together.

    A stage that is not the last keeps the weights of its last epoch, has no patience, and begins its own warm-up and
    schedule. A killed training resumes in the stage it had reached, to the same bits.

    Args:
        stages: in their order.
        data: what to train and validate on.
        plan: how long all stages take together, and how.
        folder: where checkpoints go, a folder for each stage where there are several.
        resume: go on from the folder's last checkpoint.
        watchers: progress bars and trackers.
        label: what the history and the watchers call this training.

    Returns:
        The last stage's model, with history and all that is counted of all.

    Raises:
        LimbeckError: shares that do not sum to one; fewer epochs than stages.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from limbeck.schemes import Supervised
        >>> pairs = [(torch.randn(4), index % 2) for index in range(8)]
        >>> net = nn.Linear(4, 2)
        >>> stages = [Stage("first", lambda: Supervised(net), 0.5), Stage("second", lambda: Supervised(net), 0.5)]
        >>> run = fit_stages(stages, Feed.of(pairs, pairs), Plan(epochs=3, batch_size=4))
        >>> [row["stage"] for row in run.history], [row["epoch"] for row in run.history]
        (['first', 'first', 'second'], [1, 2, 3])
    """
    plan = plan or Plan()
    if len(stages) == 1:
        return fit(
            stages[0].scheme(), data, plan, folder=folder, resume=resume, watchers=watchers, label=label
        )
    runs: list[Run] = []
    history: list[dict[str, Any]] = []
    for number, (stage, epochs) in enumerate(zip(stages, shared(stages, plan.epochs), strict=True)):
        last = number == len(stages) - 1
        own = (
            {"epochs": epochs}
            if last
            else {"epochs": epochs, "select": "last", "patience": None, "ema": None}
        )
        run = fit(
            stage.scheme(),
            data,
            plan.model_copy(update=own),
            folder=Path(folder) / f"{number}-{stage.name}" if folder is not None else None,
            resume=resume,
            watchers=watchers,
            label=label,
        )
        before = (history[-1]["epoch"], history[-1]["step"]) if history else (0, 0)
        for row in run.history:
            counted = {"epoch": row["epoch"] + before[0], "step": row["step"] + before[1]}
            history.append({**row, **counted, "stage": stage.name})
        runs.append(run)
    return replace(
        runs[-1],
        history=history,
        steps=sum(run.steps for run in runs),
        samples=sum(run.samples for run in runs),
        seconds=sum(run.seconds for run in runs),
        teacher_forwards=sum(run.teacher_forwards for run in runs),
        teacher_answers=sum(run.teacher_answers for run in runs),
        waiting=sum(run.waiting for run in runs),
    )


def shared(stages: Sequence[Stage], epochs: int) -> list[int]:
    """Return how many epochs each stage gets: its share, at least one, all together ``epochs``.

    Args:
        stages: with shares that sum to one.
        epochs: to share out.

    Raises:
        LimbeckError: the shares do not sum to one; fewer epochs than stages.

    Example:
        >>> shared([Stage("hints", Scheme, 0.3), Stage("distillation", Scheme, 0.7)], 10)
        [3, 7]
    """
    if len(stages) > 1 and sharding_asked() and processes()[1] > 1:
        raise LimbeckError(
            f"limbeck does not shard a student that is trained in {len(stages)} stages yet (FSDP): start it without "
            "--use_fsdp, so that every process holds the whole student (DDP), or teach in one stage."
        )
    shares = [stage.share for stage in stages]
    if not all(share > 0 for share in shares) or abs(sum(shares) - 1) > 1e-6:
        told = ", ".join(f"{stage.name} {stage.share:g}" for stage in stages)
        raise LimbeckError(f"The stages' shares of the epochs must be above 0 and sum to 1, not {told}.")
    if epochs < len(stages):
        names = " and ".join(stage.name for stage in stages)
        raise LimbeckError(
            f"{len(stages)} stages ({names}) need at least {len(stages)} epochs, not {epochs}: raise train.epochs."
        )
    result: list[int] = []
    for number, share in enumerate(shares[:-1]):
        waiting = len(stages) - number - 1
        result.append(min(max(1, round(share * epochs)), epochs - sum(result) - waiting))
    return [*result, epochs - sum(result)]
