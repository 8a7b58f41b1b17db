"""How far one training has come, in memory and on disk."""

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from limbeck.errors import LimbeckError
from limbeck.schemes import Scheme
from limbeck.train.checkpoint import (
    differences,
    random_state,
    read_checkpoint,
    restore_random_state,
    write_checkpoint,
)
from limbeck.train.engine import Engine
from limbeck.train.ledger import Ledger
from limbeck.train.plan import Plan
from limbeck.train.sharding import kept, load_optimizer, load_weights, own_part, whole

VERSION = 2
"""Of what a checkpoint holds; sums of losses of every process, from 2 on."""
CIRCUMSTANCES = {"device", "workers", "checkpoint_every"}
"""Settings of a plan that may change on resume: they do not change what is computed (a device, only its rounding)."""


class State:
    """Everything that changes while a scheme is trained.

    Args:
        scheme: what is trained.
        plan: how.
        engine: where.
        folder: of the checkpoints, or ``None`` to keep nothing.
        identity: fingerprints of data and teacher, which must be the same on resume.
    """

    def __init__(
        self, scheme: Scheme, plan: Plan, engine: Engine, folder: Path | None, identity: dict[str, str]
    ):
        self.scheme, self.plan, self.engine, self.folder, self.identity = (
            scheme,
            plan,
            engine,
            folder,
            identity,
        )
        self.epoch = 0
        self.step_in_epoch = 0
        self.history: list[dict[str, Any]] = []
        self.best_score: float | None = None
        self.best_state: dict[str, Tensor] | None = None
        self.stale = 0
        self.samples = 0
        self.teacher_forwards = self.teacher_answers = 0
        self.waiting = 0.0
        # of both, those of this process since they were last added up
        self.asked, self.answered, self.waited = 0, 0, 0.0
        self.seconds = 0.0
        self.clock = time.perf_counter()
        self.ema = _averaged(scheme.deployable(), plan.ema) if plan.ema else None

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or patience has run out."""
        impatient = self.plan.patience is not None and self.stale >= self.plan.patience
        return self.epoch >= self.plan.epochs or impatient

    @property
    def deployed(self) -> nn.Module:
        """The model that is evaluated and kept: the averaged one where there is an average."""
        return self.ema.module if self.ema is not None else self.scheme.deployable()

    def average(self) -> None:
        """Move the average towards the weights after an optimizer step."""
        if self.ema is not None:
            self.ema.update_parameters(self.scheme.deployable())

    def judge(self, score: float, higher_is_better: bool) -> None:
        """Keep the weights if ``score`` is the best so far."""
        best = self.best_score
        if best is None or (score > best if higher_is_better else score < best):
            self.best_score, self.stale = score, 0
            self.best_state = kept(self.deployed.state_dict())
            if self.folder is not None and self.engine.is_main:
                write_checkpoint(self.folder / "best.pt", self.best_state)
        else:
            self.stale += 1

    def tick(self) -> float:
        """Return the seconds spent so far and go on counting from here."""
        now = time.perf_counter()
        self.seconds += now - self.clock
        self.clock = now
        return self.seconds

    def wait(self, seconds: float) -> None:
        """Count seconds in which nothing was trained for want of data."""
        self.waited += seconds

    def ask(self, before: tuple[int, int], now: tuple[int, int]) -> None:
        """Count what the teacher of this process was run on, and what it answered, between two moments."""
        self.asked += now[0] - before[0]
        self.answered += now[1] - before[1]

    def settle(self) -> None:
        """Add up what every process asked its teacher, and their mean of what they waited."""
        own = torch.tensor([self.asked, self.answered, self.waited], dtype=torch.float64)
        asked, answered, waited = self.engine.gather(own).unbind(-1)
        self.teacher_forwards += int(asked.sum())
        self.teacher_answers += int(answered.sum())
        self.waiting += float(waited.mean())
        self.asked, self.answered, self.waited = 0, 0, 0.0

    def save(self, optimizers: dict[str, torch.optim.Optimizer], ledger: Ledger) -> None:
        """Write ``last.pt``; a loss that is not finite is refused first, so the last good one stays."""
        ledger.read()
        if self.folder is None:
            return
        _refuse_broken(self.scheme, self.engine)
        flush = getattr(getattr(self.scheme, "teacher", None), "flush", None)
        if flush is not None:  # answers that a checkpoint goes beyond must be kept before it is
            flush()
        self.settle()
        self.tick()
        generators = {
            key: self.engine.gather(value) for key, value in random_state(self.engine.device).items()
        }
        contents = self._contents(optimizers, ledger, generators)
        if self.engine.is_main:
            write_checkpoint(self.folder / "last.pt", contents)
        self.engine.wait()

    def _contents(
        self, optimizers: dict[str, torch.optim.Optimizer], ledger: Ledger, generators: dict[str, Tensor]
    ) -> dict[str, Any]:
        return {
            "version": VERSION,
            "settings": self._settings(),
            "scheme": whole(self.scheme.state_dict()),
            "optimizers": {phase: whole(each.state_dict()) for phase, each in optimizers.items()},
            "scaler": self.engine.scaler.state_dict(),
            "ema": self.ema.state_dict() if self.ema is not None else None,
            "generators": generators,
            "epoch": self.epoch,
            "step_in_epoch": self.step_in_epoch,
            "step": self.scheme.progress.step,
            "sums": self._sums(ledger),
            "count": ledger.count,
            "history": self.history,
            "best_score": self.best_score,
            "stale": self.stale,
            "samples": self.samples,
            "teacher_forwards": self.teacher_forwards,
            "teacher_answers": self.teacher_answers,
            "seconds": self.seconds,
            "waiting": self.waiting,
        }

    def _sums(self, ledger: Ledger) -> list[dict[str, float]]:
        """Return what each process has added up of its own losses in this epoch."""
        every = self.engine.gather(torch.tensor(list(ledger.sums.values()), dtype=torch.float64))
        return [dict(zip(ledger.sums, own, strict=True)) for own in every.tolist()]

    def _settings(self) -> dict[str, Any]:
        plan = self.plan.model_dump(exclude=CIRCUMSTANCES)
        sharded = {"sharded": True} if self.engine.sharded else {}
        return {"train": plan, "processes": self.engine.world, **sharded, **self.identity}

    def _refuse_other_shapes(self, saved: dict[str, Tensor]) -> None:
        was = {key: tuple(value.shape) for key, value in saved.items()}
        now = {key: tuple(value.shape) for key, value in self.scheme.state_dict().items()}
        changed = differences(was, now)
        if changed:
            raise LimbeckError(
                f"{self.folder} cannot be resumed with another architecture ({len(changed)} tensors differ, first "
                f"{changed[0]}): give the student the run began with, or start a new run."
            )

    def restore(self, optimizers: dict[str, torch.optim.Optimizer], ledger: Ledger) -> None:
        """Go back to ``last.pt``, if there is one.

        Raises:
            LimbeckError: it belongs to a training with other settings, data or teacher.
        """
        if self.folder is None or not (self.folder / "last.pt").exists():
            return
        saved = read_checkpoint(self.folder / "last.pt")
        if saved.get("version") != VERSION:
            raise LimbeckError(
                f"{self.folder} holds a checkpoint of another version of limbeck: delete it to train that part again."
            )
        changed = differences(saved["settings"], self._settings())
        if changed:
            raise LimbeckError(
                f"{self.folder} cannot be resumed with changed settings ({'; '.join(changed)}): "
                "put them back, or start a new run."
            )
        self._refuse_other_shapes(saved["scheme"])
        load_weights(self.scheme, saved["scheme"])
        for phase, optimizer in optimizers.items():
            load_optimizer(optimizer, saved["optimizers"][phase])
        self.engine.scaler.load_state_dict(saved["scaler"])
        if self.ema is not None:
            self.ema.load_state_dict(saved["ema"])
        self.epoch, self.step_in_epoch = saved["epoch"], saved["step_in_epoch"]
        self.scheme.progress.step, self.scheme.progress.epoch = saved["step"], saved["epoch"]
        ledger.sums, ledger.count = saved["sums"][self.engine.rank], saved["count"]
        self.history, self.best_score = saved["history"], saved["best_score"]
        self.stale, self.samples, self.seconds = saved["stale"], saved["samples"], saved["seconds"]
        self.teacher_forwards = saved["teacher_forwards"]
        self.teacher_answers = saved["teacher_answers"]
        self.waiting = saved["waiting"]
        if self.best_score is not None:
            if not (self.folder / "best.pt").exists():
                raise LimbeckError(
                    f"{self.folder} lacks best.pt: delete the folder to train that part again."
                )
            self.best_state = read_checkpoint(self.folder / "best.pt")
        own = {key: value[self.engine.rank].clone() for key, value in saved["generators"].items()}
        restore_random_state(own, self.engine.device)


def _averaged(model: nn.Module, decay: float) -> AveragedModel:
    def move(averages: Any, current: Any, count: Any) -> None:
        # torch's own rule averages integer buffers too, such as tables of positions, and rounds them away.
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, current, 1 - decay)
        else:
            torch._foreach_copy_(averages, current)

    return AveragedModel(model, multi_avg_fn=move, use_buffers=True).requires_grad_(False)


def _refuse_broken(scheme: Scheme, engine: Engine) -> None:
    """A finite loss can still have had a gradient that was not; such weights must not replace good ones."""
    names, broken = list(scheme.state_dict()), []
    for number, value in enumerate(scheme.state_dict().values()):
        if value.is_floating_point() and not bool(torch.isfinite(own_part(value)).all()):
            broken.append(number)
    first = int(
        engine.gather(torch.tensor([*broken, len(names)][0])).min()
    )  # where sharded, each sees its part
    if first < len(names):
        raise LimbeckError(
            f"The weights {names[first]!r} are no longer finite after step {scheme.progress.step}: training stopped, "
            "and checkpoints from before are kept. Start a new run with a lower lr, train.clip=1, or precision fp32."
        )
