"""Values that no refactor may change. A new loss adds one line to ``tests/golden``."""

import pytest
import torch

from golden import FROZEN, STUDENT, TEACHER
from limbeck import losses


def test_every_loss_is_frozen():
    assert {written.partition("(")[0] for written in FROZEN} == set(losses.__all__) - {"DistillationLoss"}


@pytest.mark.parametrize("written", FROZEN)
def test_value_and_gradient_are_as_they_were(written):
    loss = eval(written, vars(losses))
    student = torch.tensor(STUDENT, dtype=torch.float64, requires_grad=True)
    value = loss(student, torch.tensor(TEACHER, dtype=torch.float64))
    value.backward()
    assert (value.item(), student.grad.norm().item()) == pytest.approx(FROZEN[written], rel=1e-7)
