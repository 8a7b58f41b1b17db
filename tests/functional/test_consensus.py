"""The consensus of models that each see some classes as one, against solvers and answers that are known."""

import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from limbeck import LimbeckError
from limbeck.functional import consensus

F64 = torch.float64


def problem(rows, classes, members, sharpness, seed=0, active=1.0):
    """Return mass, pooled mass and pools of a generalist and one specialist for each row of ``members``."""
    drawn = torch.Generator().manual_seed(seed)
    mass = (sharpness * torch.randn(rows, classes, generator=drawn, dtype=F64)).softmax(1)
    pooled = torch.zeros(rows, len(members), dtype=F64)
    for number, own in enumerate(members):
        answer = sharpness * torch.randn(rows, int(own.sum()) + 1, generator=drawn, dtype=F64)
        answer = answer.softmax(1) * (torch.rand(rows, 1, generator=drawn) < active)
        mass[:, own] += answer[:, :-1]
        pooled[:, number] = answer[:, -1]
    return mass, pooled, ~members


def members(pools, classes, seed=0):
    """Return which classes each specialist has, (pools, classes): at least one and not all."""
    drawn = torch.rand(pools, classes, generator=torch.Generator().manual_seed(seed)) < 0.5
    drawn[:, 0] |= ~drawn.any(1)
    drawn[drawn.all(1), -1] = False
    return drawn


def objective(q, mass, pooled, pools):
    """Return L by loops, from the paper's equation 5 less what does not depend on q."""
    total = sum(m * np.log(p) for m, p in zip(mass, q, strict=True) if m > 0)
    for d, pool in zip(pooled, pools, strict=True):
        if d > 0:
            total += d * np.log(sum(p for p, held in zip(q, pool, strict=True) if held))
    return total


def by_slsqp(mass, pooled, pools):
    """Return the optimum and L there, by a generic solver; from several starts, since it may end early."""

    def cost(q):
        return -objective(q, mass, pooled, pools)

    def slope(q):
        return -(mass / q + pools.T.astype(float) @ (pooled / (pools @ q)))

    def from_(start):
        found = minimize(
            cost,
            start,
            jac=slope,
            method="SLSQP",
            bounds=[(1e-9, 1)] * len(mass),
            constraints={"type": "eq", "fun": lambda q: q.sum() - 1, "jac": np.ones_like},
            options={"maxiter": 1000, "ftol": 1e-14},
        )
        return found.x / found.x.sum()

    starts = [np.full(len(mass), 1 / len(mass)), (mass + 1e-3) / (mass + 1e-3).sum()]
    best = min([from_(from_(start)) for start in starts], key=cost)
    return best, -cost(best)


@pytest.mark.parametrize(("classes", "pools", "sharpness"), [(3, 1, 1), (5, 2, 2), (8, 4, 1), (6, 9, 2)])
def test_equals_a_generic_solver(classes, pools, sharpness):
    given = problem(6, classes, members(pools, classes), sharpness)
    found = consensus(*given).numpy()
    mass, pooled, held = (each.numpy() for each in given)
    for row in range(6):
        expected, best = by_slsqp(mass[row], pooled[row], held)
        assert objective(found[row], mass[row], pooled[row], held) >= best - 1e-9
        np.testing.assert_allclose(found[row], expected, atol=2e-5)


@pytest.mark.parametrize("sharpness", [0.5, 3, 30, 300])
@pytest.mark.parametrize("pools", [1, 3, 12])
def test_nothing_nearby_is_better_however_sure_the_models_are(sharpness, pools):
    mass, pooled, held = problem(16, 10, members(pools, 10), sharpness, active=0.7)
    mass = mass.clamp_min(1e-12)
    q = consensus(mass, pooled, held)
    torch.testing.assert_close(q.sum(1), torch.ones(16, dtype=F64))

    def value(point):
        reach = (point @ held.double().T).clamp_min(1e-300)
        return (mass * point.log()).sum(1) + (pooled * reach.log()).sum(1)

    best = value(q)
    for one, other in itertools.permutations(range(10), 2):  # move mass from one class to another
        for share in (1e-3, 0.3):
            moved = q.clone()
            moved[:, other] += share * moved[:, one]
            moved[:, one] *= 1 - share
            assert (value(moved) <= best + 1e-9).all()


def test_without_pools_it_is_the_arithmetic_mean():
    """Hinton et al. 2015, below equation 5: where every model gives each class a probability of its own."""
    one, other = torch.tensor([[0.7, 0.2, 0.1]]), torch.tensor([[0.1, 0.1, 0.8]])
    expected = (one + other) / 2
    torch.testing.assert_close(
        consensus(one + other, torch.zeros(1, 0), torch.zeros(0, 3, dtype=torch.bool)), expected
    )
    dustbin = torch.tensor([[False, False, True]])  # a pool of one class is that class
    torch.testing.assert_close(consensus(one + other * ~dustbin, other[:, 2:], dustbin), expected)


def test_one_pool_has_a_closed_form():
    """Own classes: the mean of both. The rest: the mean of both totals, shared as the generalist shares it."""
    general = torch.randn(20, 6, dtype=F64).softmax(1)
    special = torch.randn(20, 3, dtype=F64).softmax(1)  # classes 1 and 4, and the dustbin
    rest = [0, 2, 3, 5]
    expected = general.clone()
    expected[:, [1, 4]] = (general[:, [1, 4]] + special[:, :2]) / 2
    outside = general[:, rest].sum(1)
    expected[:, rest] *= ((outside + special[:, 2]) / 2 / outside)[:, None]
    mass = general.clone()
    mass[:, [1, 4]] += special[:, :2]
    pool = torch.tensor([[True, False, True, True, False, True]])
    torch.testing.assert_close(consensus(mass, special[:, 2:], pool), expected)


def test_a_row_does_not_depend_on_the_others_nor_on_idle_pools():
    mass, pooled, held = problem(8, 7, members(5, 7), 3, active=0.5)
    together = consensus(mass, pooled, held)
    for row in range(8):
        some = pooled[row] > 0
        alone = consensus(mass[row : row + 1], pooled[row : row + 1, some], held[some])
        torch.testing.assert_close(alone[0], together[row], rtol=0, atol=1e-5)
        assert (
            abs(
                objective(*map(np.asarray, (alone[0], mass[row], pooled[row], held)))
                - objective(*map(np.asarray, (together[row], mass[row], pooled[row], held)))
            )
            < 2e-9
        )


def test_models_that_contradict_each_other_flatly():
    """Each specialist of one class says that it is another's."""
    held = ~torch.eye(4, dtype=torch.bool)
    general, sure = torch.tensor([[1.0, 0.0, 0.0, 0.0]]), torch.ones(1, 4)
    q = consensus(general, sure, held)
    expected, best = by_slsqp(*(each[0].double().numpy() for each in (general, sure)), held.numpy())
    assert objective(q[0].double().numpy(), general[0].numpy(), sure[0].numpy(), held.numpy()) >= best - 1e-6
    np.testing.assert_allclose(q[0], expected, atol=1e-4)


def test_is_never_behind_expectation_maximisation_which_crawls_where_models_disagree():
    mass, pooled, held = problem(64, 6, members(5, 6), 30)
    mass, pooled, pools = mass.clamp_min(1e-12), torch.where(pooled < 1e-12, 0.0, pooled), held.double()
    total = (mass.sum(1) + pooled.sum(1))[:, None]

    def slope(q):
        return mass / q + (pooled / (q @ pools.T)) @ pools

    def value(q):
        return (mass * q.log()).sum(1) + (pooled * (q @ pools.T).log()).sum(1)

    q = mass / mass.sum(1, keepdim=True)
    for _ in range(500):
        q = q * slope(q) / total  # rises at every step, to the same optimum
    assert (slope(q).amax(1) - total[:, 0]).max() > 1e-4  # not there yet
    found = consensus(mass, pooled, held)
    assert (value(found) >= value(q) - 1e-9).all()
    assert (slope(found).amax(1) - total[:, 0]).max() < 1e-8


def test_keeps_dtype_and_gives_no_gradient():
    mass = torch.tensor([[0.9, 0.6, 0.5]], requires_grad=True)
    q = consensus(mass, torch.tensor([[0.5]]), torch.tensor([[True, True, False]]))
    assert q.dtype == torch.float32
    assert not q.requires_grad


@pytest.mark.parametrize(
    ("mass", "pooled", "pools", "about"),
    [
        ([[float("nan"), 1.0]], [[0.5]], [[True, False]], "finite"),
        ([[-0.1, 1.0]], [[0.5]], [[True, False]], "at least 0"),
        ([[0.0, 0.0]], [[0.5]], [[True, False]], "some class"),
        ([[0.5, 1.0]], [[0.5]], [[False, False]], "no class"),
    ],
)
def test_refuses_what_has_no_answer(mass, pooled, pools, about):
    with pytest.raises(LimbeckError, match=about):
        consensus(torch.tensor(mass), torch.tensor(pooled), torch.tensor(pools))
