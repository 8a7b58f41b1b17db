"""The loop, for every scheme, readable from top to bottom."""

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from limbeck.data.loader import Loader, Share
from limbeck.evaluate.quality import evaluate, predictor
from limbeck.schemes import Scheme
from limbeck.train.batches import check_batches, normalises
from limbeck.train.engine import Engine, own_random_state
from limbeck.train.feed import Feed
from limbeck.train.interrupt import Interrupted, Request, stop_requests
from limbeck.train.ledger import Ledger
from limbeck.train.optim import clip, make_optimizers, set_lr
from limbeck.train.plan import Plan
from limbeck.train.sharding import kept
from limbeck.train.state import State
from limbeck.train.waiting import timed
from limbeck.train.watch import Watcher
from limbeck.types import Progress


@dataclass
class Run:
    """What a training gave.

    Args:
        model: the deployable model, with the selected weights.
        history: one row for each evaluated epoch.
        best_state: weights at the best validation epoch.
        last_state: weights at the last epoch.
        best_score: validation score of ``best_state``, ``None`` without a validation part.
        steps: optimizer steps.
        samples: samples trained on, counted once for each time.
        seconds: wall time, over all sittings where it was resumed.
        teacher_forwards: samples that a teacher was run on; several networks, or several transforms, count each.
        teacher_answers: samples that a teacher answered, also where its answers were kept from before.
        waiting: seconds of these in which training waited for data, the mean over processes.
    """

    model: nn.Module
    history: list[dict[str, Any]]
    best_state: dict[str, Tensor]
    last_state: dict[str, Tensor]
    best_score: float | None
    steps: int
    samples: int
    seconds: float
    teacher_forwards: int = 0
    teacher_answers: int = 0
    waiting: float = 0.0


def fit(
    scheme: Scheme,
    data: Feed,
    plan: Plan | None = None,
    *,
    folder: str | Path | None = None,
    resume: bool = False,
    watchers: Sequence[Watcher] = (),
    label: str = "student",
) -> Run:
    """Train ``scheme`` on ``data`` as ``plan`` says.

    Args:
        scheme: gives the loss parts of a batch.
        data: what to train and validate on.
        plan: how long and how; the defaults of :class:`Plan` unless told.
        folder: where checkpoints go; without one nothing is written and nothing can be resumed.
        resume: go on from the folder's last checkpoint, to the same bits as if never stopped.
        watchers: progress bars and trackers.
        label: what the history and the watchers call this training.

    Returns:
        The trained model and how it came about.

    Raises:
        LimbeckError: the loss became NaN; the checkpoint belongs to another training; no space left.
        Interrupted: Ctrl-C or SIGTERM; the checkpoint is written.

    Example:
        >>> from limbeck.schemes import Supervised
        >>> pairs = [(torch.randn(4), index % 2) for index in range(8)]
        >>> run = fit(Supervised(nn.Linear(4, 2)), Feed.of(pairs, pairs), Plan(epochs=2, batch_size=4))
        >>> run.steps
        4
    """
    plan = plan or Plan()
    engine = Engine(plan)
    folder = Path(folder) if folder is not None else None
    with own_random_state(plan.seed + engine.rank, engine.device), stop_requests() as request:
        training = _Training(scheme, data, plan, engine, folder, watchers, label)
        try:
            return training.run(resume, request)
        finally:
            training.close()


class _Training:
    """One call of :func:`fit`, cut into pieces that each fit on a screen."""

    def __init__(
        self,
        scheme: Scheme,
        data: Feed,
        plan: Plan,
        engine: Engine,
        folder: Path | None,
        watchers: Sequence[Watcher],
        label: str,
    ):
        self.scheme, self.plan, self.engine, self.label = scheme, plan, engine, label
        self.watchers = watchers if engine.is_main else ()
        check_batches(scheme, plan, engine.world)
        self.train = _loader(
            data.train, plan, engine, max(scheme.smallest_batch, 2 if normalises(scheme) else 1)
        )
        self.validation = _loader(data.validation, plan, engine, 1) if data.validation is not None else None
        engine.place(scheme)
        self.state = State(scheme, plan, engine, folder, _identity(scheme, data))
        if plan.compile:
            scheme.deployable().compile()
        self.model = engine.prepare(scheme)
        self.optimizers = make_optimizers(scheme, plan)
        self.ledger = Ledger(1 if engine.device.type == "cpu" else 20, f"{label} (seed {plan.seed})")

    def run(self, resume: bool, request: Request) -> Run:
        state, plan = self.state, self.plan
        steps_per_epoch = len(self.train.steps(0))
        # From the beginning, also for a scheme that was trained before.
        self.scheme.progress = Progress(total_steps=plan.epochs * steps_per_epoch, epochs=plan.epochs)
        if resume:
            state.restore(self.optimizers, self.ledger)
        for watcher in self.watchers:
            watcher.started(self.label, plan.epochs, steps_per_epoch, self.scheme.progress)
        state.clock = time.perf_counter()
        while not state.finished:
            self.epoch(state.epoch, request)
            self.scheme.after_epoch()
            self.validate()
            state.save(self.optimizers, self.ledger)
        for watcher in self.watchers:
            watcher.finished(self.label)
        return self.result()

    def close(self) -> None:
        """End the loading processes."""
        self.train.close()
        if self.validation is not None:
            self.validation.close()

    def epoch(self, epoch: int, request: Request) -> None:
        state, progress = self.state, self.scheme.progress
        self.scheme.train()
        if state.step_in_epoch == 0:
            self.ledger.start()
        for step in timed(self.train.epoch(epoch, state.step_in_epoch), state.wait):
            asked = self.asked()
            parts = self.step(step.shares, self.plan.lr_at(progress.step, progress.total_steps))
            progress.step += 1
            state.step_in_epoch += 1
            self.ledger.add(progress.step, parts)
            state.samples += step.samples
            state.ask(asked, self.asked())
            for watcher in self.watchers:
                watcher.stepped(progress, self.ledger.latest, step.samples)
            if self.engine.agreed(request.asked, progress.step):
                state.save(self.optimizers, self.ledger)
                raise Interrupted
            if self.plan.checkpoint_every and progress.step % self.plan.checkpoint_every == 0:
                state.save(self.optimizers, self.ledger)
        state.epoch += 1
        state.step_in_epoch = 0
        progress.epoch = state.epoch

    def asked(self) -> tuple[int, int]:
        """Return how many samples the teacher was run on by now, each network of several counted, and answered."""
        teacher = getattr(self.scheme, "teacher", None)
        forwards = int(getattr(teacher, "forwards", 0))
        return forwards, int(getattr(teacher, "answers", forwards))

    def step(self, shares: list[Share], lr: float) -> dict[str, Tensor]:
        """Take one optimizer step in each phase and return the loss parts that were optimised."""
        self.scheme.before_step()
        logged: dict[str, Tensor] = {}
        for phase, optimizer in self.optimizers.items():
            set_lr(optimizer, lr)
            optimizer.zero_grad(set_to_none=True)
            for number, share in enumerate(shares):
                self.backward(share, phase, number == len(shares) - 1, logged)
            self.engine.average_gradients(optimizer)
            if self.plan.clip is not None:
                self.engine.scaler.unscale_(optimizer)
                clip(optimizer, self.plan.clip)
            self.engine.scaler.step(optimizer)
        self.engine.scaler.update()
        self.scheme.after_step()
        self.state.average()
        return logged

    def backward(self, share: Share, phase: str, last: bool, logged: dict[str, Tensor]) -> None:
        """Add one batch's gradients, group by group, so that only one group's graph is alive at a time."""
        batch = share.batch.to(self.engine.device, non_blocking=True)
        groups = self.scheme.groups(batch)
        for group in range(groups):
            with self.engine.synchronised(self.model, last and group == groups - 1):
                with self.engine.autocast():
                    parts = self.model(batch, phase, group)
                if share.weight != 1:
                    parts = {name: part * share.weight for name, part in parts.items()}
                total = functools.reduce(torch.add, parts.values())
                self.engine.scaler.scale(total).backward()
            for name, part in parts.items():
                logged[name] = logged[name] + part.detach() if name in logged else part.detach()

    def validate(self) -> None:
        """Close the epoch with a row of the history; on evaluated epochs, see whether it is the best so far."""
        state, plan = self.state, self.plan
        means = self.ledger.means()
        joined = self.engine.mean(
            torch.tensor(list(means.values()), dtype=torch.float64, device=_exact(self.engine))
        )
        row: dict[str, Any] = {
            "role": self.label,
            "seed": plan.seed,
            "epoch": state.epoch,
            "step": self.scheme.progress.step,
            "lr": plan.lr_at(self.scheme.progress.step - 1, self.scheme.progress.total_steps),
            **dict(zip(means, joined.tolist(), strict=True)),
        }
        last = state.epoch == plan.epochs
        if self.validation is not None and (last or state.epoch % plan.evaluate_every == 0):
            task = self.scheme.task
            predict = predictor(state.deployed, task, self.scheme.role)
            batches = self.engine.in_step(self.validation, predict)
            scores = evaluate(predict, batches, task, device=self.engine.device, full=False).scores
            first = {task.metric: scores[task.metric], **scores}  # the score that decides comes first
            row |= {f"val_{name}": score for name, score in first.items()}
            state.judge(scores[task.metric], task.higher_is_better)
        row["seconds"] = state.tick()
        state.history.append(row)
        for watcher in self.watchers:
            watcher.evaluated(self.scheme.progress, row)

    def result(self) -> Run:
        state = self.state
        state.settle()
        last = kept(state.deployed.state_dict())
        best = state.best_state if state.best_state is not None else last
        model = self.scheme.deployable()
        self.engine.unshard(model)
        model.load_state_dict(best if self.plan.select == "best" else last)
        model.eval()
        return Run(
            model=model,
            history=state.history,
            best_state=best,
            last_state=last,
            best_score=state.best_score,
            steps=self.scheme.progress.step,
            samples=state.samples,
            seconds=state.seconds,
            teacher_forwards=state.teacher_forwards,
            teacher_answers=state.teacher_answers,
            waiting=state.waiting,
        )


def _loader(part: Any, plan: Plan, engine: Engine, smallest: int) -> Loader:
    return Loader(
        part,
        plan.batch_size,
        seed=plan.seed,
        accumulate=plan.accumulate,
        smallest=smallest,
        workers=plan.workers,
        rank=engine.rank,
        world=engine.world,
        pin=engine.device.type == "cuda",
    )


def _identity(scheme: Scheme, data: Feed) -> dict[str, str]:
    held_out = data.validation.fingerprint() if data.validation is not None else "none"
    about = {"train data": data.train.fingerprint(), "validation data": held_out}
    return {"scheme": type(scheme).__name__, **about, **scheme.identity()}


def _exact(engine: Engine) -> torch.device:
    """Return where float64 exists: Apple's GPUs have none."""
    return torch.device("cpu") if engine.device.type == "mps" else engine.device
