"""A frozen teacher that tells how its outputs change with its inputs."""

import copy

import pytest
import torch
from torch import nn

from limbeck import Batch, Frozen, LimbeckError
from limbeck.teachers import Predictor
from limbeck.teachers.base import Differentiable


def net():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 3))


def inputs():
    return torch.randn(5, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()


def test_the_gradient_is_that_of_the_bare_network_in_eval_mode():
    model, given = net(), inputs()
    Frozen(model).with_gradient(Batch(given))["logits"].square().sum().backward()
    bare, again = net().eval(), inputs()
    bare(again).square().sum().backward()
    assert torch.equal(given.grad, again.grad)
    assert given.grad.abs().sum() > 0


def test_nothing_of_the_teacher_changes_even_where_someone_called_train():
    model = net()
    before = copy.deepcopy(model.state_dict())
    teacher = Frozen(model)
    model.train()
    first = teacher.with_gradient(Batch(inputs()))["logits"]
    first.sum().backward()
    assert torch.equal(first, teacher.with_gradient(Batch(inputs()))["logits"])
    assert not any(module.training for module in model.modules())
    assert all(each.grad is None and not each.requires_grad for each in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_both_calls_agree_and_count():
    teacher = Frozen(net())
    with_, without = teacher.with_gradient(Batch(inputs()))["logits"], teacher(Batch(inputs()))["logits"]
    assert torch.equal(with_, without)
    assert with_.requires_grad
    assert not without.requires_grad
    assert teacher.forwards == 10


def test_layers_are_tapped_with_their_gradient():
    given = inputs()
    outputs = Frozen(net()).with_gradient(Batch(given), names=["4@in"])
    outputs["4@in"].sum().backward()
    assert given.grad.abs().sum() > 0
    with pytest.raises(LimbeckError, match="no layer"):
        Frozen(net()).with_gradient(Batch(inputs()), names=["nowhere"])


def test_gradient_flows_in_bf16_and_under_the_students_autocast():
    for precision in ("bf16", "fp32"):
        given = inputs()
        with torch.autocast("cpu", torch.bfloat16):
            Frozen(net(), precision=precision).with_gradient(Batch(given))["logits"].float().sum().backward()
        assert torch.isfinite(given.grad).all()
        assert given.grad.abs().sum() > 0


def test_what_predicts_without_a_gradient_is_told_apart():
    assert isinstance(Frozen(net()), Differentiable)
    assert not isinstance(Predictor(lambda rows: rows), Differentiable)
