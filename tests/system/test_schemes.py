"""T7 to T10, T13 to T16 and T20 of the pitfalls for every scheme, through the one loop."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from limbeck import Batch, Frozen, Plan, Scheme, Term, fit, losses, schemes
from limbeck.data import Mixture, TensorSource, Views
from limbeck.data.loader import Part
from limbeck.data.noise import Noise
from limbeck.data.relabelled import Relabelled
from limbeck.train import Feed
from train.toys import Crash, Watch, crash_at, feed, mlp, problem, same_state, single_thread, timeless

PLAN = Plan(epochs=3, batch_size=10, lr=0.05, weight_decay=0.0, checkpoint_every=2, device="cpu")
STEPS = 12


class Net(nn.Module):
    """A network with dropout and batch norm that keeps a list of who ran, copies of it included."""

    ran: ClassVar[list[nn.Module]] = []

    def __init__(self, seed: int = 0, width: int = 8):
        super().__init__()
        self.body = mlp(seed, width, dropout=0.3, norm=True)
        for buffer in self.body.buffers():  # as if it had learnt from other samples
            buffer.add_(buffer.new_tensor(0.5 if buffer.is_floating_point() else 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        Net.ran.append(self)
        found: torch.Tensor = self.body(x)
        return found


class Maker(nn.Module):
    """A generator of points that says when it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        Net.ran.append(self)
        found: torch.Tensor = self.body(x)
        return found


class Widening(losses.DistillationLoss):
    """A loss with a parameter and a buffer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, student: torch.Tensor, teacher: torch.Tensor, context: Any = None) -> torch.Tensor:
        self.calls += 1
        return (self.scale * student - teacher).square().mean()


@dataclass
class Made:
    """A scheme with its networks at hand.

    Args:
        scheme: it.
        learners: the networks that are to learn, by the names under which their forwards are declared.
        teacher: the one that must not change, where one comes from outside.
        feed: what it learns from.
        waits: whether the networks wait and something else learns.
    """

    scheme: Scheme
    learners: dict[str, nn.Module]
    teacher: nn.Module | None = None
    feed: Feed = field(default_factory=feed)
    waits: bool = False

    @property
    def kept(self) -> list[Net]:
        """Networks that teach and belong to the scheme: snapshots and averages."""
        learners = {id(each) for each in self.learners.values()}
        return [each for each in self.scheme.modules() if isinstance(each, Net) and id(each) not in learners]

    @property
    def teachers(self) -> list[nn.Module]:
        """All networks that teach and do not learn."""
        return [*([] if self.teacher is None else [self.teacher]), *self.kept]

    def learnable(self) -> dict[str, nn.Parameter]:
        """Return what is to be optimised, by name."""
        waiting = {id(each) for net in self.learners.values() for each in net.parameters() if self.waits}
        named = self.scheme.named_parameters()
        return {name: each for name, each in named if each.requires_grad and id(each) not in waiting}

    def declared(self, ran: list[nn.Module]) -> dict[str, int]:
        """Return who ran, under the names of the declaration: whoever does not learn teaches."""
        names = {id(each): name for name, each in self.learners.items()}
        return dict(Counter(names.get(id(each), "teacher") for each in ran))


def lessons(width: int = 8, other: int = 8, maps: bool = True) -> list[Any]:
    """Return a loss of samples, one that learns itself and, unless logits are all there is, a hint and a relation."""
    found: list[Any] = [losses.KD(temperature=2), Term(Widening(), weight=0.1)]
    if maps:
        hint = Term(losses.LogitRegression(), "body.0", "body.0", 0.1, nn.Linear(width, other), name="hint")
        found += [hint, Term(losses.RKDDistance(), weight=0.1)]
    return found


def by_teacher(kind: Callable[..., Scheme], widths: tuple[int, int] = (8, 12), **options: Any) -> Made:
    student, teacher = Net(0, widths[0]), Net(1, widths[1])
    feeds = {"feed": options.pop("feed")()} if "feed" in options else {}
    return Made(
        kind(student, Frozen(teacher), lessons(*widths), **options), {"student": student}, teacher, **feeds
    )


def by_itself(kind: Callable[..., Scheme], maps: bool = True, **options: Any) -> Made:
    student = Net()
    feeds = {"feed": options.pop("feed")()} if "feed" in options else {}
    return Made(kind(student, terms=lessons(maps=maps), **options), {"student": student}, **feeds)


def by_peers(kind: Callable[..., Scheme], maps: bool = True, **options: Any) -> Made:
    nets = [Net(0), Net(1), Net(2)]
    scheme = kind(nets, terms=lessons(maps=maps), **options)
    return Made(scheme, dict(zip(("student", "peer 1", "peer 2"), nets, strict=True)))


def half_labelled() -> Feed:
    """Return labelled and unlabelled samples in every batch."""
    x, y = problem(55)
    source = Relabelled(TensorSource(x, y), y, (torch.arange(55) < 12) | (torch.arange(55) >= 40))
    every = torch.arange(55)
    part: Any = Mixture(Views(source), every[:12], every[12:40], ratio=7 / 3)
    return Feed(part, Part(Views(TensorSource(x, y)), every[40:]))


def without_data() -> Made:
    student, teacher, maker = Net(), Net(1, 12), Maker()
    scheme = schemes.DataFree(student, Frozen(teacher), maker, lessons(8, 12), statistics_weight=0.5)
    noise = Feed(Part(Views(Noise(6, 40)), torch.arange(40)), feed().validation)
    return Made(scheme, {"student": student, "generator": maker}, teacher, noise)


def prepared() -> Made:
    def maps(seed: int, width: int) -> nn.Module:
        net = Net(seed)
        net.body = nn.Sequential(
            nn.Unflatten(1, (1, 2, 2)), nn.Conv2d(1, width, 1), nn.ReLU(), nn.Dropout(0.3)
        )
        net.body.extend([nn.Flatten(), nn.Linear(4 * width, 3)])
        return net

    student, teacher = maps(0, 2), maps(1, 4)
    term = Term(losses.FactorTransfer(student_channels=2, teacher_channels=4), "body.2", "body.2")
    scheme = schemes.Preparation(student, Frozen(teacher), [term], schemes.Supervised(student).task)
    return Made(scheme, {"student": student}, teacher, waits=True)


def supervised() -> Made:
    student = Net()
    return Made(schemes.Supervised(student), {"student": student})


def own_teacher() -> Made:
    student, options = Net(), {"layers": ["body.0"], "example": torch.zeros(2, 4)}
    terms = [losses.KD(temperature=2), Term(Widening(), weight=0.1)]
    return Made(schemes.BeYourOwnTeacher(student, terms=terms, **options), {"student": student})


BUILDERS: dict[str, Callable[[], Made]] = {
    "AugmentationByTeacher": lambda: by_teacher(schemes.AugmentationByTeacher, recognised=0.3),
    "BeYourOwnTeacher": own_teacher,
    "Collaborative": lambda: by_peers(schemes.Collaborative, maps=False),
    "DataFree": without_data,
    "LastEpochs": lambda: by_itself(schemes.LastEpochs, start=0.4),
    "MeanTeacher": lambda: by_itself(schemes.MeanTeacher, decay=0.8, feed=half_labelled),
    "Mutual": lambda: by_peers(schemes.Mutual),
    "Offline": lambda: by_teacher(schemes.Offline),
    "Preparation": prepared,
    "Progressive": lambda: by_itself(schemes.Progressive),
    "Reverse": lambda: by_teacher(schemes.Reverse, (12, 8)),
    "SemiSupervised": lambda: by_teacher(schemes.SemiSupervised, threshold=0.4, feed=half_labelled),
    "ShortLessons": lambda: by_teacher(schemes.ShortLessons, until=0.6),
    "Supervised": supervised,
    "TeacherFree": lambda: by_itself(schemes.TeacherFree, maps=False),
}
WITH_TEACHERS = sorted(
    BUILDERS.keys() - {"Supervised", "TeacherFree", "Mutual", "Collaborative", "BeYourOwnTeacher"}
)
"""Those in which a network teaches that does not learn."""


def build(name: str) -> Made:
    """Return a scheme that is the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return BUILDERS[name]()


def state(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.fixture(autouse=True)
def one_thread():
    with single_thread():
        yield


@pytest.fixture(params=BUILDERS)
def name(request):
    return request.param


def test_every_scheme_is_in_this_table():
    exported = [getattr(schemes, each) for each in schemes.__all__]
    kinds = {each.__name__ for each in exported if isinstance(each, type) and issubclass(each, Scheme)}
    assert kinds - {"Scheme"} == set(BUILDERS)
    assert all(type(build(each).scheme).__name__ == each for each in BUILDERS)


@pytest.mark.parametrize("name", WITH_TEACHERS)
def test_t7_no_teacher_changes_but_by_its_own_rule(name):
    """Forward, backward and optimizer leave it as it is; a snapshot or average changes between steps alone."""
    made = build(name)
    before, seen = {}, []
    forward, finish = made.scheme.forward, made.scheme.after_step

    def look(*given, **named):
        before.update({id(each): (each, state(each)) for each in made.teachers})
        assert not any(module.training for each in made.teachers for module in each.modules())
        return forward(*given, **named)

    def check():
        seen.append(all(same_state(was, state(each)) for each, was in before.values()))
        finish()

    made.scheme.forward, made.scheme.after_step = look, check
    outside = None if made.teacher is None else state(made.teacher)
    fit(made.scheme, made.feed, PLAN)
    assert seen == [True] * STEPS
    assert made.teacher is None or same_state(outside, state(made.teacher))
    assert made.teachers
    optimised = {id(each) for _, each in _optimised(made.scheme)}
    for each in (each for net in made.teachers for each in net.parameters()):
        assert each.grad is None
        assert not each.requires_grad
        assert id(each) not in optimised


@pytest.mark.parametrize("name", WITH_TEACHERS)
def test_t7_a_teacher_with_dropout_says_the_same_twice(name):
    made = build(name)
    fit(made.scheme, made.feed, PLAN)
    made.scheme.train()
    x, y = problem(6)
    said = [made.scheme.teacher(Batch(x, y), made.scheme.task)["logits"] for _ in range(2)]
    assert torch.equal(*said)
    assert not said[0].requires_grad


def test_t8_whoever_learns_is_in_training_mode_at_every_step(name):
    made = build(name)
    modes: list[bool] = []
    forward = made.scheme.forward

    def look(*given, **named):
        modes.append(all(module.training for each in made.learners.values() for module in each.modules()))
        return forward(*given, **named)

    made.scheme.forward = look
    run = fit(made.scheme, made.feed, PLAN)
    assert len(run.history) == PLAN.epochs  # judged in between, but for the last
    assert modes == [True] * STEPS * len(made.scheme.phases)


def _optimised(scheme: Scheme) -> list[tuple[str, nn.Parameter]]:
    groups = [(phase, group) for phase in scheme.phases for group in scheme.parameter_groups(phase)]
    return [(phase, each) for phase, group in groups for each in group["params"]]


def test_t9_all_that_can_learn_is_optimised_once_changes_and_is_saved(name):
    made = build(name)
    learnable = made.learnable()
    assert sorted(id(each) for _, each in _optimised(made.scheme)) == sorted(map(id, learnable.values()))
    assert learnable.keys() <= made.scheme.state_dict().keys()
    before = {key: each.detach().clone() for key, each in learnable.items()}
    everything = state(made.scheme)
    fit(made.scheme, made.feed, PLAN)
    still = [key for key, each in learnable.items() if torch.equal(each, before[key])]
    assert all("translator" in key for key in still) if made.waits else still == []
    after = state(made.scheme)
    waiting = [key for key, _ in made.scheme.named_parameters() if key not in learnable and made.waits]
    assert all(torch.equal(after[key], everything[key]) for key in waiting)


def test_t9_what_a_loss_keeps_is_saved_too(name):
    made = build(name)
    counters = [key for key in made.scheme.state_dict() if key.endswith("calls")]
    assert bool(counters) == (name not in {"Supervised", "Preparation"})
    fit(made.scheme, made.feed, PLAN)
    assert all(made.scheme.state_dict()[key] > 0 for key in counters)


def test_t10_two_in_one_process_do_not_affect_each_other(name):
    """A second one is trained whole, twice, in the midst of the first one's training."""
    alone = build(name)
    expected = fit(alone.scheme, alone.feed, PLAN)
    first, second = build(name), build(name)

    def between(step: int) -> None:
        if step in {3, 9}:
            with torch.random.fork_rng():
                torch.manual_seed(step)
                fit(second.scheme, second.feed, PLAN.model_copy(update={"seed": step, "lr": 0.2}))

    run = fit(first.scheme, first.feed, PLAN, watchers=[Watch(between)])
    assert same_state(state(alone.scheme), state(first.scheme))
    assert timeless(expected.history) == timeless(run.history)
    assert not same_state(state(first.scheme), state(second.scheme))


def test_t13_every_forward_is_declared(name):
    made = build(name)
    found: list[tuple[dict[str, int], dict[str, int]]] = []
    forward, finish, begin = made.scheme.forward, made.scheme.after_step, made.scheme.before_step

    def look(*given, **named):
        declared[:] = [dict(made.scheme.forwards)]
        return forward(*given, **named)

    def check():
        found.append((made.declared(Net.ran), declared[0]))
        finish()

    def start():
        Net.ran.clear()
        begin()

    declared: list[dict[str, int]] = []
    made.scheme.forward, made.scheme.after_step, made.scheme.before_step = look, check, start
    run = fit(made.scheme, made.feed, PLAN)
    assert len(found) == STEPS
    assert [counted for counted, _ in found] == [told for _, told in found]
    assert run.teacher_forwards == _asked(made, name, found)
    changing = {"LastEpochs", "ShortLessons", "Progressive"}
    assert (len({tuple(told.items()) for _, told in found}) > 1) == (name in changing)


def _asked(made: Made, name: str, found: list[tuple[dict[str, int], dict[str, int]]]) -> int:
    """Return of how many samples a teacher was asked: ten in a batch, of which SemiSupervised asks about seven."""
    return sum(counted.get("teacher", 0) for counted, _ in found) * (7 if name == "SemiSupervised" else 10)


def test_t14_what_is_deployed_is_the_bare_network(name):
    made = build(name)
    run = fit(made.scheme, made.feed, PLAN)
    bare = build(name).learners["student"]
    for weights in (run.best_state, run.last_state, dict(run.model.state_dict())):
        bare.load_state_dict(weights, strict=True)
    assert {key: value.shape for key, value in run.best_state.items()} == {
        key: value.shape for key, value in bare.state_dict().items()
    }
    x, _ = problem(6)
    with torch.no_grad():
        assert torch.equal(bare.eval()(x), run.model.eval()(x))
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in run.model.modules())


@pytest.mark.parametrize("name", ["Mutual", "Collaborative"])
def test_t15_no_peer_has_a_gradient_from_what_another_learns(name):
    made = build(name)
    x, y = problem(10, seed=5)
    parts = made.scheme(Batch(x, y, torch.arange(10)))
    assert {key.rpartition(" ")[0] for key in parts} == set(made.learners)
    for learner, net in made.learners.items():
        own = torch.stack([part for key, part in parts.items() if key.startswith(f"{learner} ")]).sum()
        for other, network in made.learners.items():
            weights = list(network.parameters())
            found = torch.autograd.grad(own, weights, retain_graph=True, allow_unused=True)
            assert all((each is not None) == (other == learner) for each in found), (learner, other)
        assert net.training


def test_t16_the_average_follows_the_student_and_not_the_reverse():
    made = build("MeanTeacher")
    decay, now = (
        0.8,
        {key: each.detach().clone() for key, each in made.learners["student"].named_parameters()},
    )
    average = {key: each.clone() for key, each in now.items()}
    finish, far = made.scheme.after_step, []

    def check():
        student = dict(made.learners["student"].named_parameters())
        taken = len(far) + 1
        keep = min(1 - 1 / (taken + 1), decay)
        for key, each in student.items():
            average[key].mul_(keep).add_(each.detach(), alpha=1 - keep)
        finish()
        (teacher,) = made.kept
        for key, each in teacher.named_parameters():
            torch.testing.assert_close(each, average[key], rtol=1e-5, atol=1e-6)
        far.append(sum((average[key] - student[key]).abs().sum().item() for key in average))

    made.scheme.after_step = check
    fit(made.scheme, made.feed, PLAN)
    assert len(far) == STEPS
    assert min(far) > 0
    assert all(torch.isfinite(each).all() for each in average.values())


def test_t20_cut_at_random_steps_and_resumed_is_never_cut(name, tmp_path):
    seed = random.SystemRandom().randrange(10**6)
    steps = sorted(random.Random(seed).sample(range(1, STEPS), 3))
    whole, rest = build(name), build(name)
    expected = fit(whole.scheme, whole.feed, PLAN)
    for step in steps:
        cut = build(name)
        with pytest.raises(Crash):
            fit(
                cut.scheme, cut.feed, PLAN, folder=tmp_path, watchers=[crash_at(step)], resume=step > steps[0]
            )
    run = fit(rest.scheme, rest.feed, PLAN, folder=tmp_path, resume=True)
    told = f"seed {seed}, cut at {steps}"
    assert same_state(state(whole.scheme), state(rest.scheme)), told
    assert same_state(expected.best_state, run.best_state), told
    assert timeless(expected.history) == timeless(run.history), told
    assert expected.teacher_forwards == run.teacher_forwards, told
