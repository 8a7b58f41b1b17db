"""A network and its labels, as the student alone is trained."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from limbeck import Batch, Regression, Supervised


def test_loss_is_the_tasks_alone():
    net, x, y = nn.Linear(4, 3), torch.randn(5, 4), torch.arange(5) % 3
    scheme = Supervised(net)
    parts = scheme(Batch(x, y))
    assert list(parts) == ["task"]
    assert parts["task"].item() == pytest.approx(F.cross_entropy(net(x), y).item())
    assert scheme.deployable() is net
    assert scheme.smallest_batch == 1
    assert scheme.phases == ("main",)


def test_role_chooses_the_inputs():
    net = nn.Linear(4, 1)
    own = Batch({"teacher": torch.ones(2, 4), "student": torch.zeros(2, 4)}, torch.zeros(2))
    found = Supervised(net, Regression(), role="teacher")(own)["task"]
    assert found.item() == pytest.approx(net(torch.ones(2, 4)).square().mean().item(), rel=1e-5)


def test_parameters_that_are_frozen_stay_out_of_the_optimizer():
    net = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    net[0].requires_grad_(False)
    (group,) = Supervised(net).parameter_groups()
    assert {id(each) for each in group["params"]} == {id(each) for each in net[1].parameters()}
