"""Each loss against an independent derivation in float64. A new loss adds one line to the table."""

import pytest
import torch

import reference
from laws.samples import random
from limbeck import losses

TABLE = {
    "KD": [
        (losses.KD(temperature=t), lambda s, r, t=t: reference.kd(s, r, t)) for t in (0.5, 1.0, 4.0, 20.0)
    ],
    "LogitRegression": [
        (losses.LogitRegression(centred=c), lambda s, r, c=c: reference.logit_regression(s, r, c))
        for c in (False, True)
    ],
}
CASES = [(loss, derived) for cases in TABLE.values() for loss, derived in cases]


def test_every_loss_has_a_derivation():
    assert set(TABLE) == set(losses.__all__) - {"DistillationLoss"}
    assert all(type(loss).__name__ == name for name, cases in TABLE.items() for loss, _ in cases)


@pytest.mark.parametrize(("loss", "derived"), CASES, ids=[str(loss) for loss, _ in CASES])
@pytest.mark.parametrize("shape", [(1, 2), (3, 7), (8, 100)])
def test_value_is_that_of_the_formula(loss, derived, shape):
    for seed, scale in ((0, 1.0), (1, 5.0), (2, 30.0)):
        student, teacher = random(seed, shape, scale), random(seed + 10, shape, scale)
        expected = derived(student.double().tolist(), teacher.double().tolist())
        assert loss(student.double(), teacher.double()).item() == pytest.approx(expected, rel=1e-9, abs=1e-12)
        assert loss(student, teacher).item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(("loss", "derived"), CASES, ids=[str(loss) for loss, _ in CASES])
def test_gradient_is_that_of_the_formula(loss, derived):
    student, teacher = random(0, (3, 4)).double().requires_grad_(), random(1, (3, 4)).double()
    loss(student, teacher).backward()
    rows, step = student.detach().tolist(), 1e-5
    for row in range(3):
        for column in range(4):
            up, down = [list(each) for each in rows], [list(each) for each in rows]
            up[row][column] += step
            down[row][column] -= step
            slope = (derived(up, teacher.tolist()) - derived(down, teacher.tolist())) / (2 * step)
            assert student.grad[row, column].item() == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_derivations_do_not_know_the_code_they_check():
    assert not [name for name in vars(reference.response) if "limbeck" in name or "torch" in name]
    assert torch not in vars(reference.response).values()
