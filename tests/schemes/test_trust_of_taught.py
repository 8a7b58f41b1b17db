"""What may be relied on in schemes with a frozen teacher that are more than Offline (T7, T9, T10, T13, resume)."""

import copy

import pytest
import torch
from torch import nn

from limbeck import Batch, Frozen, Plan, Term, fit, losses
from limbeck.schemes import AugmentationByTeacher, Reverse, SemiSupervised, ShortLessons
from train.toys import Crash, crash_at, feed, mlp, problem, same_state, timeless

PLAN = Plan(epochs=2, batch_size=10, lr=0.05, device="cpu")


class HalfLabelled(SemiSupervised):
    """Every third sample has a label."""

    def forward(self, batch, phase="main", group=0):
        mask = batch.index % 3 == 0
        return super().forward(
            Batch(batch.inputs, batch.targets, batch.index, batch.view, mask), phase, group
        )


class Widening(losses.DistillationLoss):
    """A loss with a parameter and a buffer of its own."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, student, teacher, context=None):
        self.calls += 1
        return (self.scale * student - teacher).square().mean()


SCHEMES = {
    "SemiSupervised": lambda *given: HalfLabelled(*given, threshold=0.4),
    "AugmentationByTeacher": lambda *given: AugmentationByTeacher(*given, recognised=0.3),
    "ShortLessons": lambda *given: ShortLessons(*given, until=0.6),
    "Reverse": Reverse,
}


def made(name, dropout=0.3):
    """Return the scheme with a term on logits, one on features through an adapter, and one that learns itself."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        terms = [
            losses.KD(temperature=2),
            Term(losses.LogitRegression(), "0", "0", 0.1, nn.Linear(8, 12), name="hint"),
            Term(Widening(), weight=0.1),
            Term(losses.RKDDistance(), weight=0.1),
        ]
    teacher = mlp(1, width=12, dropout=0.5)
    return SCHEMES[name](mlp(dropout=dropout, norm=True), Frozen(teacher.train()), terms)


def rows(count=12):
    x, y = problem(count, seed=5)
    return Batch(x, y, torch.arange(count))


def total(parts):
    return torch.stack(list(parts.values())).sum()


@pytest.fixture(params=SCHEMES)
def name(request):
    return request.param


def test_the_teacher_stays_as_it_is(name):
    scheme = made(name)
    before = copy.deepcopy(scheme.teacher.model.state_dict())
    fit(scheme, feed(), PLAN)
    network = scheme.teacher.model
    assert same_state(before, dict(network.state_dict()))
    assert not any(module.training for module in network.modules())
    assert all(each.grad is None and not each.requires_grad for each in network.parameters())
    scheme.train()
    first, again = (scheme.teacher(rows(), scheme.task)["logits"] for _ in range(2))
    assert torch.equal(first, again)  # dropout is off
    mine = {id(each) for group in scheme.parameter_groups() for each in group["params"]}
    assert not mine & {id(each) for each in network.parameters()}
    assert not any(key.startswith("teacher") for key in scheme.state_dict())


def test_all_that_learns_is_trained_and_saved(name):
    scheme = made(name)
    learnable = dict(scheme.named_parameters())
    mine = {id(each) for group in scheme.parameter_groups() for each in group["params"]}
    assert mine == {id(each) for each in learnable.values()}
    assert learnable.keys() <= scheme.state_dict().keys()
    assert {"terms.1.adapter.weight", "terms.2.loss.scale"} <= learnable.keys()
    before = copy.deepcopy(scheme.state_dict())
    fit(scheme, feed(), PLAN)
    after = scheme.state_dict()
    assert all(not torch.equal(before[key], after[key]) for key in learnable)
    assert after["terms.2.loss.calls"] > 0


def test_two_in_one_process_do_not_meet(name):
    alone, first, second = made(name), made(name), made(name)
    fit(alone, feed(), PLAN)
    second(rows())
    run = fit(first, feed(), PLAN)
    fit(second, feed(seed=4), PLAN)
    assert same_state(dict(alone.state_dict()), dict(first.state_dict()))
    assert run.model is first.deployable()


def test_forwards_are_those_declared(name):
    scheme, calls = made(name), {"student": 0, "teacher": 0}
    networks = {"student": scheme.student, "teacher": scheme.teacher.model}
    for role, network in networks.items():

        def count(*given, role=role):
            calls[role] += 1

        network.register_forward_hook(count)
    for step in (0, 9):
        scheme.progress.step, scheme.progress.total_steps = step, 10
        calls.update(student=0, teacher=0)
        scheme(rows())
        assert {role: number for role, number in calls.items() if number} == dict(scheme.forwards)


@pytest.mark.parametrize("step", [3, 6])
def test_interrupted_and_resumed_is_never_interrupted(name, step, tmp_path):
    plan = PLAN.model_copy(update={"checkpoint_every": 1})
    whole, rest = made(name), made(name)
    first = fit(whole, feed(), plan)
    with pytest.raises(Crash):
        fit(made(name), feed(), plan, folder=tmp_path, watchers=[crash_at(step)])
    again = fit(rest, feed(), plan, folder=tmp_path, resume=True)
    assert same_state(dict(whole.state_dict()), dict(rest.state_dict()))
    assert same_state(first.last_state, again.last_state)
    assert timeless(first.history) == timeless(again.history)


def test_in_a_loop_of_ones_own(name):
    scheme = made(name, dropout=0.0)
    optimizer = torch.optim.AdamW(scheme.parameter_groups(), lr=0.02)
    first = None
    for _ in range(30):
        loss = total(scheme(rows()))
        first = first if first is not None else loss.item()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss.item() < 0.7 * first
    assert scheme.deployable() is scheme.student
    assert set(scheme.deployable().state_dict()) == set(mlp(norm=True).state_dict())


def test_what_is_shipped_is_the_bare_network(name):
    scheme = made(name)
    run = fit(scheme, feed(), PLAN)
    assert set(run.best_state) == set(mlp(dropout=0.3, norm=True).state_dict())
    assert len(run.history) == 2
