"""T1 to T6 of the pitfalls, through the public door: losses alone and wired into a scheme."""

import math
from itertools import pairwise

import pytest
import torch

from laws.samples import awkward, pair, random
from limbeck import Batch, Frozen, Offline, Plan, Term, fit, losses
from train.toys import feed, mlp, problem

EVERY = [
    losses.KD(),
    losses.KD(temperature=1),
    losses.LogitRegression(),
    losses.LogitRegression(centred=True),
]
every_loss = pytest.mark.parametrize("loss", EVERY, ids=str)


def test_every_loss_is_here():
    assert {type(loss).__name__ for loss in EVERY} == set(losses.__all__) - {"DistillationLoss"}


@pytest.mark.parametrize("temperature", [1.0, 2.5, 10.0])
def test_t1_kd_is_the_formula_zero_at_identity_and_never_negative(temperature):
    kd = losses.KD(temperature=temperature)
    for seed in range(10):
        student, teacher = random(seed, (5, 7)).double(), random(seed + 50, (5, 7)).double()
        p = [[math.exp(z / temperature) for z in row] for row in teacher.tolist()]
        q = [[math.exp(z / temperature) for z in row] for row in student.tolist()]
        total = 0.0
        for ours, theirs in zip(q, p, strict=True):
            for a, b in zip(ours, theirs, strict=True):
                total += b / sum(theirs) * math.log((b / sum(theirs)) / (a / sum(ours)))
        assert kd(student, teacher).item() == pytest.approx(total / 5 * temperature**2)
        assert kd(teacher.clone(), teacher).item() == pytest.approx(0, abs=1e-12)
        assert kd(teacher + 1e-4 * student, teacher).item() >= 0


def test_t2_gradient_norm_tends_to_one_and_not_to_a_quarter():
    student, teacher = (each.double() for each in pair((8, 10)))
    norms = []
    for temperature in (50.0, 100.0):
        leaf = student.clone().requires_grad_()
        losses.KD(temperature=temperature)(leaf, teacher).backward()
        norms.append(leaf.grad.norm().item())
    assert norms[1] / norms[0] == pytest.approx(1, abs=0.02)


def test_t3_value_does_not_depend_on_replicated_classes_nor_on_the_batch_size():
    student, teacher = pair((4, 5))
    kd = losses.KD()(student, teacher).item()
    assert losses.KD()(student.repeat(1, 20), teacher.repeat(1, 20)).item() == pytest.approx(kd, rel=1e-4)
    for loss in EVERY:
        many = loss(student.repeat(50, 1), teacher.repeat(50, 1)).item()
        assert many == pytest.approx(loss(student, teacher).item(), rel=1e-4)


def gradient(targets, **weights):
    """Return the student's gradient under Offline with those weights."""
    student = mlp()
    x, y = problem(16)
    term = Term(losses.KD(temperature=4), weight=weights["kd"])
    scheme = Offline(student, Frozen(mlp(1)), [term], task_weight=weights["task"])
    torch.stack(list(scheme(Batch(x, y if targets else None)).values())).sum().backward()
    return torch.cat([each.grad.flatten() for each in student.parameters()])


def test_t4_loss_is_continuous_in_every_weight_at_zero():
    for near, at in (
        ({"kd": 1e-6, "task": 1.0}, {"kd": 0.0, "task": 1.0}),
        ({"kd": 1.0, "task": 1e-6}, {"kd": 1.0, "task": 0.0}),
    ):
        torch.testing.assert_close(gradient(True, **near), gradient(True, **at), rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(
        gradient(True, kd=1.0, task=1.0),
        gradient(True, kd=1.0, task=0.0) + gradient(True, kd=0.0, task=1.0),
        rtol=1e-4,
        atol=1e-6,
    )


def test_t4_missing_targets_leave_the_rest_as_it_is():
    torch.testing.assert_close(gradient(False, kd=0.7, task=1.0), gradient(True, kd=0.7, task=0.0))


@every_loss
def test_t5_distance_losses_behave_like_distances(loss):
    student, teacher = pair((8, 10))
    assert loss(teacher.clone(), teacher).item() == pytest.approx(0, abs=1e-6)
    path = [loss(teacher + share * student, teacher).item() for share in (0, 0.1, 0.3, 1.0, 3.0)]
    assert path == sorted(path)
    assert path[0] < path[1]
    assert loss(student, teacher) > loss(teacher.clone(), teacher)
    assert loss(-teacher, teacher) > loss(teacher.clone(), teacher)
    leaf = student.clone().requires_grad_()
    optimizer = torch.optim.SGD([leaf], lr=0.1)
    values = []
    for _ in range(50):
        optimizer.zero_grad()
        value = loss(leaf, teacher)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert all(later < earlier for earlier, later in pairwise(values))


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_t6_scalar_and_finite_where_others_broke(loss, dtype):
    cases = awkward((6, 10)) | {"one sample": pair((1, 10)), "partial last batch": pair((3, 10))}
    for name, (student, teacher) in cases.items():
        leaf = student.to(dtype).requires_grad_()
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            value = loss(leaf, teacher.to(dtype))
        value.backward()
        assert value.shape == (), name
        assert torch.isfinite(value), name
        assert torch.isfinite(leaf.grad).all(), name


@every_loss
@pytest.mark.parametrize("train", [1, 2, 21, 40])
def test_t6_any_number_of_samples_trains(loss, train):
    scheme = Offline(mlp(), Frozen(mlp(1)), [Term(loss)])
    run = fit(scheme, feed(train), Plan(epochs=1, batch_size=10, precision="bf16", device="cpu"))
    assert run.samples == train
    assert all(torch.isfinite(value).all() for value in run.last_state.values())
