"""The student teaches the teacher."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from limbeck import Batch, Frozen, LimbeckError, Plan, Regression, Term, fit, losses
from limbeck.schemes import Offline, Reverse
from train.toys import feed, mlp, problem, same_state


def batch(rows=8):
    x, y = problem(rows, seed=5)
    return Batch(x, y, torch.arange(rows))


def test_the_large_network_learns_from_the_small_one():
    large, small = mlp(width=32), mlp(1, width=4)
    before = {name: value.clone() for name, value in small.state_dict().items()}
    run = fit(Reverse(large, Frozen(small)), feed(), Plan(epochs=2, batch_size=10, lr=0.05, device="cpu"))
    assert run.model is large
    assert same_state(before, dict(small.state_dict()))
    assert run.teacher_forwards == run.samples


def test_unless_told_the_settings_are_the_public_codes():
    large, small = mlp(width=32).double(), mlp(1, width=4).double()
    rows = Batch(batch().inputs.double(), batch().targets)
    parts = Reverse(large, Frozen(small, precision="fp32"))(rows)
    ours, theirs = large(rows.inputs), small(rows.inputs)
    kl = sum(
        p * (p.log() - q.log()) for p, q in zip(theirs.div(20).softmax(1), ours.div(20).softmax(1), strict=True)
    ).sum() / len(rows)  # fmt: skip
    assert parts["KD"].item() == pytest.approx(0.6 * 400 * kl.item(), rel=1e-9)
    assert parts["task"].item() == pytest.approx(0.4 * F.cross_entropy(ours, rows.targets).item(), rel=1e-9)


def test_it_is_offline_with_the_networks_in_each_others_place():
    terms = [
        Term(losses.KD(temperature=2), weight=0.3),
        Term(losses.LogitRegression(), "0", "0", 0.1, nn.Linear(12, 4)),
    ]
    reverse = Reverse(mlp(width=12), Frozen(mlp(1, width=4)), terms, task_weight=0.7)
    offline = Offline(mlp(width=12), Frozen(mlp(1, width=4)), terms, task_weight=0.7)
    assert {k: v.item() for k, v in reverse(batch()).items()} == {
        k: v.item() for k, v in offline(batch()).items()
    }
    assert reverse.forwards == offline.forwards
    assert reverse.identity() == offline.identity()


def test_a_regression_learns_values():
    teacher = mlp(1, width=4, outputs=1)
    scheme = Reverse(mlp(width=12, outputs=1), Frozen(teacher), task=Regression())
    rows = Batch(batch().inputs, batch().inputs[:, 0])
    assert sorted(scheme(rows)) == ["LogitRegression", "task"]


@pytest.mark.parametrize("weight", [0, 0.0, None])
def test_without_labels_there_is_nobody_better_to_learn_from(weight):
    with pytest.raises(LimbeckError, match="only a weaker network to learn from"):
        Reverse(mlp(), Frozen(mlp(1)), task_weight=weight)


def test_refusals_name_the_scheme():
    with pytest.raises(LimbeckError, match="Give Reverse a teacher"):
        Reverse(mlp(), mlp(1))
    with pytest.raises(LimbeckError, match="Reverse needs at least one term"):
        Reverse(mlp(), Frozen(mlp(1)), [])
