"""What is asked of every scheme whose teacher is its student, in one way or another."""

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from math import exp, log
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from limbeck import Batch, Plan, Scheme, fit
from limbeck.types import Progress
from train.toys import Crash, crash_at, feed, problem, same_state, single_thread, timeless

PLAN = Plan(epochs=4, batch_size=10, lr=0.05, checkpoint_every=1, device="cpu")
STEPS = 16


def batch(rows: int = 8, **given: Any) -> Batch:
    """Return labelled points."""
    x, y = problem(rows, seed=5)
    return Batch(x, y, torch.arange(rows), **given)


def at(scheme: Any, step: int, steps: int = STEPS, epochs: int = 4) -> Any:
    """Put the scheme where training is after so many steps."""
    scheme.progress = Progress(step, steps, step * epochs // steps, epochs)
    return scheme


def state(module: nn.Module) -> dict[str, torch.Tensor]:
    """Return a copy of the state."""
    return {name: value.clone() for name, value in module.state_dict().items()}


def softmax(row: list[float]) -> list[float]:
    """Return the softmax of a row, in plain Python."""
    whole = sum(exp(each) for each in row)
    return [exp(each) / whole for each in row]


def hard(rows: list[list[float]], labels: list[int], known: list[int] | None = None) -> float:
    """Return the mean cross-entropy over the samples with a label."""
    which = range(len(rows)) if known is None else known
    return -sum(log(softmax(rows[n])[labels[n]]) for n in which) / len(which)


@contextmanager
def counted(networks: Mapping[str, nn.Module]) -> Any:
    """Count how often each network runs."""
    calls = dict.fromkeys(networks, 0)

    def hook(name: str) -> Callable[..., None]:
        def count(*_: Any) -> None:
            calls[name] += 1

        return count

    handles = [module.register_forward_hook(hook(name)) for name, module in networks.items()]
    yield calls
    for handle in handles:
        handle.remove()


def runs_as_declared(scheme: Any, networks: Mapping[str, nn.Module]) -> Mapping[str, int]:
    """T13: the forwards of one batch are those that the scheme declares."""
    with counted(networks) as calls:
        scheme(batch())
    assert {name: count for name, count in calls.items() if count} == dict(scheme.forwards)
    return scheme.forwards


def learns_all(scheme: Any, teacher: nn.Module | None = None) -> None:
    """T9: all that can be learnt is optimised, changes and is saved; what teaches is saved and nothing else."""
    groups = scheme.parameter_groups()
    optimised = {id(each) for group in groups for each in group["params"]}
    learnable = {name: each for name, each in scheme.named_parameters() if each.requires_grad}
    assert optimised == {id(each) for each in learnable.values()}
    if teacher is not None:
        assert not optimised & {id(each) for each in teacher.parameters()}
    optimizer = torch.optim.SGD(groups, 0.5)
    before = {name: each.detach().clone() for name, each in learnable.items()}
    sum(scheme(batch()).values()).backward()
    optimizer.step()
    assert [name for name, each in learnable.items() if torch.equal(each, before[name])] == []
    assert set(learnable) <= set(scheme.state_dict())


def teaches_unchanged(scheme: Any) -> None:
    """T7: what teaches stays as it is, in eval mode, says the same twice, and gets no gradient."""
    before = state(scheme.teacher)
    scheme.train()
    assert not any(module.training for module in scheme.teacher.modules())
    first, second = (scheme.teacher(batch())["logits"] for _ in range(2))
    assert torch.equal(first, second)
    sum(scheme(batch()).values()).backward()
    assert same_state(before, state(scheme.teacher))
    assert not any(each.requires_grad or each.grad is not None for each in scheme.teacher.parameters())
    assert scheme.student.training


def resumes(make: Callable[[], Scheme], folder: Path, steps: list[int], plan: Plan = PLAN) -> None:
    """T20: dead after any of ``steps`` and resumed equals never stopped, to the bit."""
    with single_thread():
        whole = make()
        expected = fit(whole, feed(), plan)
        for step in steps:
            with pytest.raises(Crash):
                fit(make(), feed(), plan, folder=folder / str(step), watchers=[crash_at(step)])
            rest = make()
            run = fit(rest, feed(), plan, folder=folder / str(step), resume=True)
            assert same_state(state(whole), state(rest)), f"dead after step {step}"
            assert same_state(expected.last_state, run.last_state)
            assert timeless(expected.history) == timeless(run.history)
            assert expected.teacher_forwards == run.teacher_forwards


def apart(make: Callable[[], Scheme]) -> None:
    """T10: a second scheme in the process changes nothing."""
    plan = PLAN.model_copy(update={"epochs": 2, "checkpoint_every": None})
    with single_thread():
        alone = fit(make(), feed(), plan).last_state
        scheme, other = make(), make()
        fit(other, feed(seed=3), plan)
        assert same_state(fit(scheme, feed(), plan).last_state, alone)
