"""Optimizers, weight decay and clipping."""

import pytest
import torch
from torch import nn

from limbeck import Plan, Supervised
from limbeck.train.optim import clip, make_optimizers, set_lr


class Peers(Supervised):
    """Two groups, one with a learning rate of its own."""

    def parameter_groups(self, phase="main"):
        return [
            {"params": self.student[0].parameters()},
            {"params": self.student[1].parameters(), "lr_scale": 0.1},
        ]


def peers():
    return Peers(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)))


def test_vectors_are_not_decayed():
    scheme = Supervised(nn.Sequential(nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.Linear(2, 2)))
    (optimizer,) = make_optimizers(scheme, Plan(weight_decay=0.3)).values()
    for group in optimizer.param_groups:
        for each in group["params"]:
            assert group["weight_decay"] == (0.3 if each.dim() > 1 else 0.0)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(scheme.parameters()))


def test_groups_keep_their_scale_of_the_learning_rate():
    scheme = peers()
    (optimizer,) = make_optimizers(scheme, Plan()).values()
    set_lr(optimizer, 2.0)
    for group in optimizer.param_groups:
        second = any(
            each is parameter for each in group["params"] for parameter in scheme.student[1].parameters()
        )
        assert group["lr"] == pytest.approx(0.2 if second else 2.0)


def test_each_group_is_clipped_by_itself():
    scheme = peers()
    (optimizer,) = make_optimizers(scheme, Plan()).values()
    for layer, size in zip(scheme.student, (100.0, 0.001), strict=True):
        for each in layer.parameters():
            each.grad = torch.full_like(each, size)
    small = [each.grad.clone() for each in scheme.student[1].parameters()]
    clip(optimizer, 1.0)
    norms = [
        torch.stack([each.grad.norm() for each in layer.parameters()]).norm().item()
        for layer in scheme.student
    ]
    assert norms[0] == pytest.approx(1.0, rel=1e-4)  # matrices and vectors together, though decay split them
    for each, before in zip(scheme.student[1].parameters(), small, strict=True):
        assert torch.equal(each.grad, before)


def test_sgd_has_nesterov_momentum():
    (optimizer,) = make_optimizers(peers(), Plan(optimizer="sgd")).values()
    assert isinstance(optimizer, torch.optim.SGD)
    assert all(group["momentum"] == 0.9 and group["nesterov"] for group in optimizer.param_groups)
