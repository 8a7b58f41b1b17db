"""Trainings that fill a cache of their teacher's answers, to be run in processes of their own.

``python filling.py CACHE RUN OUT [KILL_AT]``: a training with everything that has a state, which fills its cache in
the first two of four epochs and sends itself SIGKILL after step KILL_AT.

``torchrun --nproc-per-node 2 filling.py CACHE OUT``: a training by several processes together.
"""

import os
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from limbeck import Frozen, Offline, Plan, Term, fit, losses
from limbeck.cache import Dense8, Exact
from limbeck.data import Shift, TensorSource, Views
from limbeck.data.loader import Part
from limbeck.teachers import Cached
from limbeck.train import Feed
from train.resumable import Guess, Kill, Spread, network
from train.toys import mlp, problem

VIEWS, EPOCHS, SAMPLES, STEPS = 2, 4, 53, 16
PLAN = Plan(
    epochs=EPOCHS,
    batch_size=8,
    accumulate=2,
    lr=0.1,
    ema=0.5,
    checkpoint_every=3,
    seed=2,
    device="cpu",
)


def feed() -> Feed:
    generator = torch.Generator().manual_seed(0)
    source = TensorSource(torch.rand(75, 1, 8, 8, generator=generator), torch.arange(75) % 3)
    part = Part(Views(source, Shift(2, flip=True), seed=5), torch.arange(SAMPLES), cycle=VIEWS)
    return Feed(part, Part(Views(source), torch.arange(SAMPLES, 75)))


def adapter() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(9)
        return nn.Linear(16, 24)


def teacher(folder: Path, read: Feed, dense: bool = False) -> Cached:
    """Return the teacher, whose answers are kept to the last bit, so that another rounding shows."""
    kept = Dense8(3) if dense else Exact(3)
    return Cached(Frozen(network(6, 1), precision="fp32"), folder, read.train, layouts={"logits": kept})


def train(
    cache: Path, run: Path | None, kill_at: int = 0, watcher: Any = None, **options: Any
) -> dict[str, Any]:
    """Train, or go on training, and return all that must not depend on interruptions."""
    read = feed()
    plan = PLAN.model_copy(update={"workers": options.pop("workers", 0)})
    with teacher(cache, read, **options) as asked:
        terms = [Term(losses.KD()), Term(Spread(), student="5", teacher="5", adapter=adapter())]
        scheme = Offline(network(4, 0), asked, terms, task=Guess(), task_weight=0.5)
        watchers = [watcher or Kill(kill_at, 9)]
        found = fit(scheme, read, plan, folder=run, resume=run is not None, watchers=watchers)
    return {
        "scheme": dict(scheme.state_dict()),
        "last": found.last_state,
        "best": found.best_state,
        "history": [
            {name: value for name, value in row.items() if name != "seconds"} for row in found.history
        ],
        "steps": found.steps,
        "asked": (found.teacher_forwards, found.teacher_answers),
    }


def noisy(sample: Tensor) -> Tensor:
    return sample + 0.3 * torch.randn_like(sample)


def train_together(cache: Path, width: int = 8) -> dict[str, Any]:
    """Train on an odd number of samples, without anything that depends on how many processes there are."""
    x, y = problem(62)
    source = TensorSource(x, y)
    part = Part(Views(source, noisy, seed=5), torch.arange(47), cycle=VIEWS)
    read = Feed(part, Part(Views(source), torch.arange(47, 62)))
    plan = Plan(epochs=EPOCHS, batch_size=10, lr=0.1, optimizer="sgd", device="cpu")
    with Cached(Frozen(mlp(1, width=12), precision="fp32"), cache, part) as asked:
        scheme = Offline(mlp(width=width), asked, [Term(losses.KD(temperature=2))], task_weight=0.3)
        found = fit(scheme, read, plan)
        full = asked.full
    return {
        "weights": dict(scheme.state_dict()),
        "asked": (found.teacher_forwards, found.teacher_answers),
        "full": full,
        "score": found.best_score,
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    if "RANK" in os.environ:
        dist.init_process_group("gloo")
        from train import filling  # what draws views is known by its module, which is not __main__ elsewhere

        told = [filling.train_together(Path(sys.argv[1])) for _ in range(2)]  # the second reads what is kept
        if dist.get_rank() == 0:
            torch.save(told, sys.argv[2])
        dist.destroy_process_group()
    else:
        torch.save(train(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[4:])), sys.argv[3])
