"""What an epoch costs with a teacher's answers kept: against plain training, and against asking at every step.

Two pairs: timm's resnet34 teaching resnet18 on images of Tiny ImageNet at 64 pixels; small nets on Fashion-MNIST at 28.

What was done to be fair:

- Four contenders train the same student on the same views in the same order, each by ``fit``: *plain*, on labels
  alone; *online*, whose teacher is asked at every step (``Frozen`` as it is by default); *fill*, whose cache is filled
  by the epochs that are timed; *cached*, whose epochs that are timed only read it. Labels and KD at T = 4 in the last
  three.
- Timed are whole epochs inside one training, all but the first: reading data, augmentation, step, and for *fill* and
  *cached* everything the cache does. What is done once a run (fingerprints, a few answers asked again) falls into the
  first. Both clocks are kept; on a machine that does other things, `--clock cpu` judges by the processor's.
- Rounds alternate (A B C D, D C B A, …), many short ones, for a shared machine's speed changes by some percent within
  seconds; ratios are taken within a round; median and quartiles are given.

    python benchmarks/cache_epoch.py --data-root DATA
"""

import argparse
import copy
import io
import os
import statistics
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch

from limbeck import Frozen, LimbeckError, Offline, Plan, Scheme, Supervised, Term, fit, losses
from limbeck.data import TensorSource, Views, augmentation, open_data
from limbeck.data import fit as fit_inputs
from limbeck.data.loader import Part
from limbeck.models import open_model
from limbeck.teachers import Cached
from limbeck.train import Feed
from paired import Times
from record import Goal, keep

GOALS = {"resnet": 1.02, "small": 1.05}
FILL_GOAL = 1.03
CONTENDERS = ("plain", "online", "fill", "cached")


@dataclass(frozen=True)
class Case:
    """A pair of networks and the samples of an epoch.

    Args:
        name: of the case.
        teacher: its spec.
        student: its spec.
        samples: of an epoch.
        batch_size: of a step.
        epochs: of a training; all but the first are timed.
        augment: name of the augmentation.
    """

    name: str
    teacher: str
    student: str
    samples: int
    batch_size: int
    epochs: int
    augment: str

    def source(self, root: Path) -> TensorSource:
        """Return the samples in memory."""
        if self.name == "resnet":
            return tiny_imagenet(root / "tiny-imagenet-100" / "train.tar.gz", self.samples)
        data = open_data(f"idx:{root / 'fashion-mnist'}", limit=self.samples)
        pixels = torch.stack([data.source.read(int(each)) for each in data.train])
        return TensorSource(pixels, data.source.targets[data.train])


CASES = (
    Case("resnet", "timm:resnet34", "timm:resnet18", 160, 32, 3, "crop-flip"),
    Case("small", "cnn:24-48-96", "cnn:16-32", 10_000, 64, 3, "shift"),
)


def tiny_imagenet(archive: Path, count: int) -> TensorSource:
    """Return the first images of every few classes of Tiny ImageNet, decoded."""
    from torchvision.io import ImageReadMode, decode_jpeg

    if not archive.exists():
        raise LimbeckError(f"No {archive}: name the folder that holds tiny-imagenet-100 with --data-root.")
    images, names = [], []
    with tarfile.open(archive) as files:
        for member in files:
            if member.name.lower().endswith((".jpeg", ".jpg")):
                read = files.extractfile(member)
                assert read is not None
                raw = torch.frombuffer(bytearray(io.BytesIO(read.read()).getvalue()), dtype=torch.uint8)
                images.append(decode_jpeg(raw, mode=ImageReadMode.RGB))
                names.append(member.name.split("/")[1])
            if len(images) == count:
                break
    classes = sorted(set(names))
    return TensorSource(torch.stack(images), torch.tensor([classes.index(each) for each in names]))


class Clock:
    """A watcher that notes both clocks at the end of every epoch."""

    def __init__(self) -> None:
        self.marks: list[tuple[float, float]] = []

    def started(self, *told: object) -> None:
        pass

    def stepped(self, *told: object) -> None:
        pass

    def evaluated(self, *told: object) -> None:
        self.marks.append((time.perf_counter(), time.process_time()))

    def finished(self, *told: object) -> None:
        pass

    def spent(self) -> tuple[float, float]:
        """Return the seconds since the end of the first epoch, by the wall's clock and the processor's."""
        (wall, cpu), (last_wall, last_cpu) = self.marks[0], self.marks[-1]
        return last_wall - wall, last_cpu - cpu


Turn: TypeAlias = Callable[[], tuple[tuple[float, float], float]]
"""Takes one turn; returns its seconds on both clocks, and the loss it ended with."""


def contenders(case: Case, root: Path, work: Path) -> dict[str, Turn]:
    """Return each contender as a function that takes one turn."""
    source = case.source(root)
    shape, everything = tuple(source.inputs.shape[1:]), torch.arange(len(source))
    inputs = fit_inputs(source, everything, shape)
    views = Views(source, augmentation(case.augment, shape[1:]), inputs, canvas=shape[1:])
    torch.manual_seed(0)
    outputs = 100 if case.name == "resnet" else 10
    teacher, student = (
        open_model(spec, outputs=outputs, shape=shape).module for spec in (case.teacher, case.student)
    )
    frozen, start = Frozen(teacher), copy.deepcopy(student.state_dict())
    frozen.calibrate(views.read(everything[:64], torch.zeros(64, dtype=torch.int64)))
    plan = Plan(epochs=case.epochs, batch_size=case.batch_size, lr=1e-3, device="cpu", select="last")
    terms = [Term(losses.KD(4.0), weight=0.9)]

    def turn(name: str) -> tuple[tuple[float, float], float]:
        clock = Clock()
        student.load_state_dict(start)
        cycle = {"fill": case.epochs, "cached": 1}.get(name)
        part = Part(views, everything, cycle=cycle)
        with tempfile.TemporaryDirectory(dir=work) as folder:
            known = Cached(frozen, Path(folder) / "cache", part) if cycle else frozen
            scheme: Scheme = (
                Supervised(student) if name == "plain" else Offline(student, known, terms, task_weight=0.1)
            )
            history = fit(scheme, Feed(part), plan, watchers=[clock]).history
            if isinstance(known, Cached):
                known.close()
        return clock.spent(), history[-1]["loss"]

    return {name: lambda name=name: turn(name) for name in CONTENDERS}  # type: ignore[misc]


def race(turns: dict[str, Turn], rounds: int) -> tuple[Times, dict[str, float]]:
    """Return the seconds of every contender in every round, after one that is not counted, and their last losses."""
    times: dict[str, dict[str, list[float]]] = {
        clock: {name: [] for name in turns} for clock in ("wall", "cpu")
    }
    ends = {}
    for number in range(rounds + 1):
        for name in sorted(turns, key=list(turns).index, reverse=number % 2 == 0):
            spent, ends[name] = turns[name]()
            for clock, seconds in zip(times, spent, strict=True):
                if number:
                    times[clock][name].append(seconds)
    return Times(**times), ends


def measured(
    case: Case, root: Path, work: Path, rounds: int, clock: str
) -> tuple[dict[str, Any], list[Goal]]:
    times, ends = race(contenders(case, root, work), rounds)
    pairs = {
        "cached / plain": ("cached", "plain"),
        "fill / online": ("fill", "online"),
        "online / plain": ("online", "plain"),
    }
    ratios = {
        name: {clock: times.ratio(*pair, clock) for clock in ("wall", "cpu")} for name, pair in pairs.items()
    }
    for name, found in ratios.items():
        print(
            f"{case.name}: {name} {found['wall']} by the clock, {found['cpu']} in processor time", flush=True
        )
    steps = -(-case.samples // case.batch_size) * (case.epochs - 1)
    figures = {
        **asdict(case),
        "rounds": rounds,
        "ms_per_step": {name: statistics.median(each) / steps * 1e3 for name, each in times.wall.items()},
        "ratios": {
            name: {clock: asdict(each) for clock, each in found.items()} for name, found in ratios.items()
        },
        "seconds": times.wall,
        "cpu_seconds": times.cpu,
        "last_loss": ends,
    }
    goals = [
        Goal(
            f"{case.name}: cached epoch / plain epoch",
            ratios["cached / plain"][clock].median,
            GOALS[case.name],
        ),
        Goal(f"{case.name}: fill epoch / online epoch", ratios["fill / online"][clock].median, FILL_GOAL),
    ]
    return figures, goals


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", default=os.environ.get("LIMBECK_DATA", "../shared/data"))
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--case", choices=[case.name for case in CASES], action="append")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="by which goals are judged")
    parser.add_argument("--quick", action="store_true", help="two rounds: a smoke test, not a measurement")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    figures, goals = {}, []
    with tempfile.TemporaryDirectory() as work:
        for case in CASES:
            if options.case and case.name not in options.case:
                continue
            rounds = 2 if options.quick else options.rounds
            figures[case.name], more = measured(
                case, Path(options.data_root), Path(work), rounds, options.clock
            )
            goals += more
    quick = options.quick or bool(options.case)
    keep("cache_epoch", figures, goals, (__doc__ or "").split("What was done to be fair:")[1], quick)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LimbeckError as error:
        sys.exit(f"cache_epoch: {error}")
