"""A training with everything that has a state, to be run in a process of its own.

``python resumable.py FOLDER OUT [KILL_AT SIGNAL]``

Dropout, batch norm, augmentation, an average of the weights, accumulation over uneven batches, a learnable adapter
and a learnable loss, a scheduled weight, clipping and a checkpoint now and then. The process sends itself SIGNAL
after step KILL_AT of the whole training, and writes what it has in the end to OUT.
"""

import os
import signal
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from limbeck import Classification, Frozen, Offline, Plan, Term, fit, losses
from limbeck.data import Shift, TensorSource, Views
from limbeck.data.loader import Part
from limbeck.losses import DistillationLoss
from limbeck.train import Feed
from limbeck.types import Batch, Context, Outputs, Progress

EPOCHS, STEPS = 5, 20
PLAN = Plan(
    epochs=EPOCHS,
    batch_size=8,
    accumulate=2,
    lr=0.3,
    clip=1.0,
    schedule="constant",
    ema=0.5,
    checkpoint_every=3,
    seed=2,
    device="cpu",
)


class Spread(DistillationLoss):
    """Gaussian likelihood with a learnt variance: a loss with a parameter and a buffer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.zeros(()))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        self.calls += 1
        off = (student - teacher.detach()).square().mean()
        return 0.5 * (off * torch.exp(-self.log_variance) + self.log_variance) + 1


class Likelihood:
    """The negative log-likelihood and nothing else: torchmetrics alone takes longer to import than all this."""

    def __init__(self) -> None:
        self.sum, self.count = 0.0, 0

    def update(self, outputs: Outputs, batch: Batch) -> None:
        self.sum += float(F.cross_entropy(outputs["logits"], batch.targets, reduction="sum"))
        self.count += len(batch)

    def compute(self) -> dict[str, float]:
        return {"nll": self.sum / self.count}

    def details(self) -> dict[str, Tensor]:
        return {}


class Guess(Classification):
    """Classification that is judged by its likelihood, which goes up and down more finely than accuracy."""

    metric, higher_is_better = "nll", False

    def metrics(self, full: bool = True) -> Likelihood:
        return Likelihood()


def network(width: int, seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.AdaptiveAvgPool2d((4, 1)),
            nn.Flatten(),
            nn.Linear(4 * width, 3),
        )


def rising(progress: Progress) -> float:
    return progress.fraction * (1 + progress.epoch)


def scheme() -> Offline:
    with torch.random.fork_rng():
        torch.manual_seed(9)
        adapter = nn.Linear(16, 24)
    return Offline(
        network(4, 0),
        Frozen(network(6, 1)),
        [Term(losses.KD(), weight=rising), Term(Spread(), student="5", teacher="5", adapter=adapter)],
        task=Guess(),
        task_weight=0.5,
    )


def feed() -> Feed:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(75) % 3
    images = torch.rand(75, 1, 8, 8, generator=generator) * 0.7
    for number, label in enumerate(labels.tolist()):
        images[number, 0, 3 * label : 3 * label + 2] += 0.3  # a bright band, higher or lower
    source = TensorSource(images, labels)
    validation = Part(Views(source), torch.arange(53, 75))
    return Feed(Part(Views(source, Shift(2, flip=True), seed=PLAN.seed), torch.arange(53)), validation)


class Kill:
    """A watcher that tells each step, and sends this process a signal after one of them."""

    def __init__(self, at: int, number: int):
        self.at, self.number = at, number

    def started(self, *told: object) -> None:
        pass

    def evaluated(self, *told: object) -> None:
        pass

    def finished(self, *told: object) -> None:
        pass

    def stepped(self, progress: Progress, *told: object) -> None:
        print(progress.step, flush=True)
        if progress.step == self.at:
            os.kill(os.getpid(), self.number)


def train(
    folder: Path | None, out: Path | None, kill_at: int = 0, number: int = signal.SIGKILL
) -> dict[str, object]:
    """Train, or go on training, and return all that must not depend on interruptions."""
    trained = scheme()
    run = fit(
        trained, feed(), PLAN, folder=folder, resume=folder is not None, watchers=[Kill(kill_at, number)]
    )
    found = {
        "scheme": dict(trained.state_dict()),
        "last": run.last_state,
        "best": run.best_state,
        "best_score": run.best_score,
        "history": [{name: value for name, value in row.items() if name != "seconds"} for row in run.history],
        "steps": run.steps,
        "samples": run.samples,
    }
    if out is not None:
        torch.save(found, out)
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    given = [int(each) for each in sys.argv[3:]]
    train(Path(sys.argv[1]), Path(sys.argv[2]), *given)
