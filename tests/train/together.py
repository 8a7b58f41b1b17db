"""Trainings run by one process or by several together: ``torchrun --nproc-per-node 2 together.py OUT``.

Each scenario is a function that trains and returns what all processes together must agree on with one process. Rank
0 writes the results; where processes could disagree among themselves, the results of all are compared first.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from limbeck import Classification, Frozen, LimbeckError, Offline, Plan, Scheme, Term, fit, losses
from limbeck.data import Mixture, Repeated, TensorSource, Views
from limbeck.data.loader import Loader, Part
from limbeck.data.relabelled import Relabelled
from limbeck.evaluate import evaluate
from limbeck.evaluate.quality import predictor
from limbeck.schemes import (
    AugmentationByTeacher,
    BeYourOwnTeacher,
    Collaborative,
    DataFree,
    LastEpochs,
    MeanTeacher,
    Mutual,
    Progressive,
    Reverse,
    SemiSupervised,
    ShortLessons,
    TeacherFree,
)
from limbeck.train import Feed
from limbeck.train.interrupt import Interrupted
from train.toys import Watch, feed, mlp, problem, timeless

PLAN = Plan(epochs=2, batch_size=10, lr=0.1, optimizer="sgd", device="cpu")


def offline(**options: Any) -> Offline:
    term = Term(losses.KD(temperature=2), weight=0.7)
    hint = Term(losses.LogitRegression(), "0", "0", 0.1, adapter(), name="hint")
    return Offline(mlp(**options), Frozen(mlp(1, width=12)), [term, hint], task_weight=0.3)


def adapter() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return nn.Linear(8, 12)


class Split(Scheme):
    """Two networks: one learns in the first group or phase, the other in the second."""

    def __init__(self) -> None:
        super().__init__(Classification())
        self.a, self.b = mlp(0), mlp(1)

    def part(self, name: str, batch: Any) -> dict[str, Tensor]:
        return {name: F.cross_entropy(getattr(self, name)(batch.inputs), batch.targets)}

    def deployable(self) -> nn.Module:
        return self.a


class Grouped(Split):
    def groups(self, batch: Any) -> int:
        return 2

    def forward(self, batch: Any, phase: str = "main", group: int = 0) -> dict[str, Tensor]:
        return self.part("ab"[group], batch)


class Phased(Split):
    phases = ("a", "b")

    def parameter_groups(self, phase: str = "a") -> list[dict[str, Any]]:
        return [{"params": list(getattr(self, phase).parameters())}]

    def forward(self, batch: Any, phase: str = "a", group: int = 0) -> dict[str, Tensor]:
        return self.part(phase, batch)


def trained(
    scheme: Scheme, plan: Plan, train: int = 40, validation: int = 15, **options: Any
) -> dict[str, Any]:
    run = fit(scheme, feed(train, validation), plan, **options)
    return {
        "weights": dict(scheme.state_dict()),
        "best": run.best_state,
        "history": timeless(run.history),
        "score": run.best_score,
        "steps": run.steps,
        "samples": run.samples,
    }


def even() -> dict[str, Any]:
    return trained(offline(), PLAN)


def odd_last_batch() -> dict[str, Any]:
    return trained(offline(), PLAN, train=47, validation=11)


def odd_batches() -> dict[str, Any]:
    return trained(offline(), PLAN.model_copy(update={"batch_size": 7}))


def accumulated() -> dict[str, Any]:
    return trained(offline(), PLAN.model_copy(update={"accumulate": 3}), train=47)


def clipped_average() -> dict[str, Any]:
    return trained(offline(), PLAN.model_copy(update={"clip": 0.2, "ema": 0.7}), train=47)


def groups() -> dict[str, Any]:
    return trained(Grouped(), PLAN, train=47)


def phases() -> dict[str, Any]:
    return trained(Phased(), PLAN, train=47)


def relations() -> dict[str, Any]:
    """Losses that relate samples see the whole batch, also where the processes' shares differ in size."""
    terms = [
        Term(losses.RKDDistance(), "0", "0", 0.3),
        Term(losses.RKDAngle(), "0", "0", 0.3),
        Term(losses.SimilarityPreserving(), "0", "0", 0.3),
        Term(losses.CKA(), "0", "0", 0.3),
        Term(losses.DIST(), weight=0.3),
    ]
    scheme = Offline(mlp(), Frozen(mlp(1, width=12)), terms, task_weight=0.3)
    return trained(scheme, PLAN.model_copy(update={"batch_size": 7}), train=42)


def hints() -> dict[str, Any]:
    """What lies behind the guided layer gets no gradient in any process, and so no decay."""
    hint = Term(losses.LogitRegression(), "0", "0", 0.1, adapter(), name="hint")
    scheme = Offline(mlp(), Frozen(mlp(1, width=12)), [hint], task_weight=None)
    plan = PLAN.model_copy(update={"optimizer": "adamw", "weight_decay": 0.5, "lr": 0.01})
    return trained(scheme, plan, train=47)


def half_labelled(alone: bool = False) -> dict[str, Any]:
    """Labelled and unlabelled samples in every batch, as many of each in either process."""
    x, y = problem(65)
    source = Relabelled(TensorSource(x, y), y, (torch.arange(65) < 12) | (torch.arange(65) >= 48))
    views, every = Views(source), torch.arange(65)
    part: Any = Mixture(views, every[:12], every[12:48], ratio=1.5)
    part = Repeated(views, part.labelled, part) if alone else part
    run = fit(scheme := offline(), Feed(part, Part(Views(TensorSource(x, y)), every[48:])), PLAN)
    return {
        "weights": dict(scheme.state_dict()),
        "best": run.best_state,
        "history": timeless(run.history),
        "score": run.best_score,
        "steps": run.steps,
        "samples": run.samples,
    }


def labelled_alone() -> dict[str, Any]:
    """The labelled samples in as many steps as the mixture."""
    return half_labelled(alone=True)


class FewLabelled(SemiSupervised):
    """Labels for every third sample, whichever process has it: its share may have none, or nothing else."""

    def forward(self, batch: Any, phase: str = "main", group: int = 0) -> dict[str, Tensor]:
        return super().forward(replace(batch, labelled=batch.index % 3 == 0), phase, group)


def teaching_terms() -> list[Any]:
    """Return a loss of samples, a hint through an adapter, and a loss that relates samples."""
    hint = Term(losses.LogitRegression(), "0", "0", 0.1, adapter(), name="hint")
    return [losses.KD(temperature=2), hint, Term(losses.RKDDistance(), weight=0.3)]


def semi_supervised() -> dict[str, Any]:
    """The mean is over the unlabelled samples of the whole batch, though each process has its own number of them."""
    scheme = FewLabelled(mlp(), Frozen(sure()), teaching_terms(), task_weight=0.5, threshold=0.6)
    found = trained(scheme, PLAN.model_copy(update={"batch_size": 7}), train=42)
    assert 0.2 < scheme.kept < 0.8
    return found


def guarded() -> dict[str, Any]:
    """The labels that count are a share of the whole batch's labels."""
    scheme = AugmentationByTeacher(mlp(), Frozen(sure()), teaching_terms(), recognised=0.2)
    found = trained(scheme, PLAN.model_copy(update={"batch_size": 7}), train=42)
    assert 0.2 < scheme.kept < 0.8
    return found


def short_lessons() -> dict[str, Any]:
    """What the lessons alone train has no gradient afterwards, in any process, and so no decay."""
    scheme = ShortLessons(mlp(), Frozen(sure()), teaching_terms(), until=0.6)
    return trained(
        scheme, PLAN.model_copy(update={"optimizer": "adamw", "weight_decay": 0.5, "lr": 0.01}), train=47
    )


def sure() -> nn.Module:
    """Return a teacher that is sure of some samples."""
    net = mlp(1, width=12)
    with torch.no_grad():
        net[2].weight.mul_(12)
    return net


def memories() -> dict[str, Any]:
    """CRD's memories see all samples in every process; what it draws from them is each process's own."""
    with torch.random.fork_rng():
        torch.manual_seed(6)
        loss = losses.CRD(student_channels=8, teacher_channels=12, samples=60, width=4, negatives=5)
    scheme = Offline(mlp(), Frozen(mlp(1, width=12)), [Term(loss, "0", "0", 0.3)], task_weight=0.3)
    run = fit(scheme, feed(40, 15), PLAN)
    kept = {name: value for name, value in scheme.state_dict().items() if "memory" in name}
    return {"weights": kept, "steps": run.steps, "samples": run.samples}


def one_to_judge() -> dict[str, Any]:
    """A validation part of one sample, which two processes cannot share."""
    scheme = offline()
    try:
        return trained(scheme, PLAN, validation=1)
    except LimbeckError as error:
        return {"refused": str(error), "steps": scheme.progress.step}


def evaluated() -> dict[str, Any]:
    """Scores of a part with an odd number of samples: each is counted once."""
    part = feed(validation=33).validation
    assert part is not None
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    loader = Loader(part, 8, rank=rank, world=world)
    found = evaluate(predictor(mlp(3), Classification()), loader, Classification())
    return {"scores": found.scores, "confusion": found.details["confusion"].tolist()}


def mutual() -> dict[str, Any]:
    """Peers of two widths: a loss of samples, a loss that relates them, hints with adapters of each pair's own."""

    def terms(learner: int, other: int) -> list[Any]:
        found = [losses.KD(temperature=1), Term(losses.RKDDistance(), "0", "0", 0.3)]
        if learner == 0:
            found.append(Term(losses.LogitRegression(), "0", "0", 0.1, adapter(), name="hint"))
        return found

    plan = PLAN.model_copy(update={"batch_size": 7, "clip": 0.5})
    return trained(Mutual([mlp(), mlp(1, width=12)], terms), plan, train=42)


def collaborative() -> dict[str, Any]:
    """Weights of the peers' logits and hard losses are found on the labelled samples of the whole batch."""

    class Half(Collaborative):
        def forward(self, batch: Any, phase: str = "main", group: int = 0) -> dict[str, Tensor]:
            return super().forward(replace(batch, labelled=batch.index % 3 > 0), phase, group)

    plan = PLAN.model_copy(update={"batch_size": 7})
    return trained(Half([mlp(), mlp(1, width=12)], "linear", [losses.KD(temperature=2)]), plan, train=42)


def hint() -> Term:
    """A term with an adapter, between networks of one width."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return Term(losses.LogitRegression(), "0", "0", 0.1, nn.Linear(8, 8), name="hint")


def last_epochs() -> dict[str, Any]:
    """The hint's adapter has no gradient until the snapshot is taken, in the middle of an epoch."""
    plan = PLAN.model_copy(update={"batch_size": 7})
    return trained(LastEpochs(mlp(), [losses.KD(), hint()], start=0.4), plan, train=42)


def mean_teacher() -> dict[str, Any]:
    """Every process averages the same weights by itself."""
    terms = [losses.Consistency(), Term(losses.RKDDistance(), "0", "0", 0.3), hint()]
    plan = PLAN.model_copy(update={"batch_size": 7})
    return trained(MeanTeacher(mlp(), terms, decay=0.8), plan, train=42)


def progressive() -> dict[str, Any]:
    """The network of the epoch before is the same in every process."""
    plan = PLAN.model_copy(update={"epochs": 3, "batch_size": 7})
    return trained(Progressive(mlp()), plan, train=42)


def teacher_free() -> dict[str, Any]:
    """A virtual teacher knows what the labels say in each process's own share."""
    plan = PLAN.model_copy(update={"batch_size": 7})
    return trained(TeacherFree(mlp()), plan, train=42)


def reverse() -> dict[str, Any]:
    """The smaller network teaches in every process."""
    return trained(Reverse(mlp(1, width=12), Frozen(mlp()), [losses.KD(temperature=2)]), PLAN, train=47)


def own_teacher() -> dict[str, Any]:
    """Heads on a hidden layer, trained with the network."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        network = nn.Sequential(mlp(outputs=6), nn.ReLU(), nn.Linear(6, 3))
        scheme = BeYourOwnTeacher(network, ["0.1"], torch.zeros(1, 4), [losses.LogitRegression()])
    return trained(scheme, PLAN, train=47)


def data_free() -> dict[str, Any]:
    """How the classes are shared out, and what BatchNorm remembers, are matters of the whole batch."""
    with torch.random.fork_rng():
        torch.manual_seed(8)
        generator = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 4))
    terms = [losses.KD(temperature=1), hint(), Term(losses.RKDDistance(), "0", "0", 0.3)]
    scheme = DataFree(mlp(), Frozen(mlp(1, norm=True)), generator, terms, statistics_weight=0.5)
    return trained(scheme, PLAN.model_copy(update={"batch_size": 7}), train=42)


class PowerCut(Exception):
    """Ends a training in every process at once."""


class Fails(Offline):
    """Dies in every process at step 5."""

    dies = True

    def after_step(self) -> None:
        if self.dies and self.progress.step == 4:
            raise PowerCut


def resumed(kind: type[Fails] = Fails) -> dict[str, Any]:
    """Dropout and a learning rate that follows a cosine, cut and resumed: the same as uncut with as many processes."""
    plan = PLAN.model_copy(update={"checkpoint_every": 1, "optimizer": "adamw", "lr": 0.02})

    def scheme(dies: bool) -> Offline:
        found = kind(mlp(dropout=0.4, norm=kind is Shardable), Frozen(mlp(1)), [Term(losses.KD())])
        found.dies = dies
        return found

    whole = trained(scheme(False), plan)
    with TemporaryDirectory() as place:
        shared = [place]
        if dist.is_initialized():
            dist.broadcast_object_list(shared)
        with suppress(PowerCut):
            trained(scheme(True), plan, folder=shared[0])
        again = trained(scheme(False), plan, folder=shared[0], resume=True)
        if dist.is_initialized():
            dist.barrier()
    same = all(torch.equal(whole["weights"][name], again["weights"][name]) for name in whole["weights"])
    return {"same": same and whole["history"] == again["history"]}


class Signalled(Offline):
    """The last process alone is asked to stop, at step 3."""

    signalled = False

    def after_step(self) -> None:
        last = not dist.is_initialized() or dist.get_rank() == dist.get_world_size() - 1
        if self.signalled and last and self.progress.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)


def stopped() -> dict[str, Any]:
    """All processes stop after the same step, write a checkpoint, and go on from there as if they never had."""

    def scheme(signalled: bool) -> Offline:
        found = Signalled(mlp(dropout=0.4), Frozen(mlp(1)), [Term(losses.KD())])
        found.signalled = signalled
        return found

    whole = trained(scheme(False), PLAN)
    with TemporaryDirectory() as place:
        shared = [place]
        if dist.is_initialized():
            dist.broadcast_object_list(shared)
        first = scheme(True)
        with suppress(Interrupted):
            trained(first, PLAN, folder=shared[0])
        again = trained(scheme(False), PLAN, folder=shared[0], resume=True)
        if dist.is_initialized():
            dist.barrier()
    same = all(torch.equal(whole["weights"][name], again["weights"][name]) for name in whole["weights"])
    return {"same": same and whole["history"] == again["history"], "steps": first.progress.step}


class Shardable(Fails):
    shardable = True
    dies = False


class Derived(Offline):
    """Says nothing of sharding."""


@contextmanager
def fsdp(**more: str) -> Iterator[None]:
    """Have several processes share out the student's weights, as ``accelerate launch --use_fsdp`` says it."""
    told = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", **more}
    os.environ.update(told)
    try:
        yield
    finally:
        for name in told:
            del os.environ[name]


def sharded(how: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    """An adapter that is not sharded, odd batches, and for one of two processes a batch more to judge by."""
    scheme = offline()
    learnt: list[bool] = []

    def look(_: int) -> None:
        parts = [getattr(each, "to_local", lambda each=each: each)() for each in scheme.student.parameters()]
        learnt.append(sum(map(Tensor.numel, parts)) < sum(each.numel() for each in mlp().parameters()))

    with fsdp(**how or {}):
        plan = PLAN.model_copy(update={"batch_size": 6, "accumulate": 2, "clip": 0.2, **changes})
        found = trained(scheme, plan, 47, 13, watchers=[Watch(look)])
    if learnt:  # the first process alone is told of steps
        assert set(learnt) == {dist.is_initialized() and dist.get_world_size() > 1}
    assert all(type(each) is nn.Parameter for each in scheme.parameters())
    assert type(scheme.student) is nn.Sequential
    return found


def sharded_decaying() -> dict[str, Any]:
    return sharded(optimizer="adamw", lr=0.01, weight_decay=0.5, accumulate=1)


def sharded_in_pieces() -> dict[str, Any]:
    """Each layer of the student by itself, as a large one's blocks are."""
    return sharded({"FSDP_AUTO_WRAP_POLICY": "SIZE_BASED_WRAP", "FSDP_MIN_NUM_PARAMS": "20"})


def sharded_resumed() -> dict[str, Any]:
    """The same to the bit as uncut, dropout included."""
    with fsdp():
        return resumed(Shardable)


def sharding_refused() -> dict[str, Any]:
    """What cannot be sharded yet is told so in every process, before the first step."""

    def refused(scheme: Scheme, plan: Plan = PLAN) -> str:
        try:
            fit(scheme, feed(), plan)
        except LimbeckError as error:
            return str(error)
        return ""

    with fsdp():
        found = {
            "phases": refused(Phased()),
            "derived": refused(Derived(mlp(), Frozen(mlp(1)), [Term(losses.KD())])),
            "ema": refused(offline(), PLAN.model_copy(update={"ema": 0.9, "compile": True})),
        }
        os.environ["FSDP_VERSION"] = "1"
        found["version"] = refused(offline())
    with fsdp(FSDP_OFFLOAD_PARAMS="true"):
        return {**found, "offload": refused(offline())}


SCENARIOS: dict[str, Callable[[], dict[str, Any]]] = {
    each.__name__: each
    for each in (
        even,
        odd_last_batch,
        odd_batches,
        accumulated,
        clipped_average,
        groups,
        phases,
        relations,
        mutual,
        collaborative,
        last_epochs,
        mean_teacher,
        progressive,
        teacher_free,
        reverse,
        own_teacher,
        data_free,
        hints,
        half_labelled,
        labelled_alone,
        semi_supervised,
        guarded,
        short_lessons,
        memories,
        evaluated,
        one_to_judge,
        resumed,
        stopped,
        sharded,
        sharded_decaying,
        sharded_in_pieces,
        sharded_resumed,
        sharding_refused,
    )
}


def agreed(found: dict[str, Any]) -> dict[str, Any]:
    """Return the results of all processes, which must be the same ones."""
    every: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(every, {"weights": found.get("weights", {}), "scores": found.get("scores")})
    for other in every[1:]:
        assert other["scores"] == every[0]["scores"]
        assert all(torch.equal(value, other["weights"][name]) for name, value in every[0]["weights"].items())
    return found


def main(out: Path, names: list[str]) -> None:
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    for name in names or list(SCENARIOS):
        found[name] = agreed(SCENARIOS[name]())
        if dist.get_rank() == 0:
            torch.save(found, out)


if __name__ == "__main__":
    dist.init_process_group("gloo")
    main(Path(sys.argv[1]), sys.argv[2:])
    dist.destroy_process_group()
