"""A projection that keeps lengths and angles, whatever the optimizer does to it."""

import copy

import pytest
import torch

from laws.samples import random
from limbeck.adapters.orthogonal import Orthogonal
from limbeck.errors import LimbeckError


@pytest.mark.parametrize(("student", "teacher"), [(3, 7), (7, 3), (5, 5)])
def test_weight_stays_orthonormal_in_training(student, teacher):
    torch.manual_seed(0)
    adapter = Orthogonal(student, teacher)
    optimizer = torch.optim.AdamW(adapter.parameters(), 0.1, weight_decay=0.1)
    before = adapter.weight.detach().clone()
    for step in range(20):
        optimizer.zero_grad()
        (adapter(random(step, (8, student))) - random(100 + step, (8, teacher))).square().mean().backward()
        optimizer.step()
    weight = adapter.weight.detach()
    product = weight.T @ weight if teacher >= student else weight @ weight.T
    torch.testing.assert_close(product, torch.eye(min(student, teacher)), atol=1e-5, rtol=0)
    assert (weight - before).abs().max() > 0.1


def test_geometry_of_the_student_arrives_unchanged():
    features = random(1, (6, 3))
    projected = Orthogonal(3, 7)(features)
    torch.testing.assert_close(projected @ projected.T, features @ features.T)


def test_vectors_tokens_and_maps_are_projected_alike():
    adapter, maps = Orthogonal(3, 4), random(1, (2, 3, 5, 6))
    tokens = maps.flatten(2).mT
    expected = adapter(maps)
    torch.testing.assert_close(adapter(tokens).mT.reshape(2, 4, 5, 6), expected)
    torch.testing.assert_close(adapter(maps[:, :, 1, 2]), expected[:, :, 1, 2])


def test_autocast_does_not_bend_it():
    adapter, features = Orthogonal(3, 7), random(1, (6, 3)).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        projected = adapter(features)
    torch.testing.assert_close(projected.norm(dim=1), features.float().norm(dim=1))


def test_state_can_be_saved_and_the_module_copied():
    torch.manual_seed(0)
    adapter, other = Orthogonal(3, 7), Orthogonal(3, 7)
    features = random(1, (6, 3))
    assert not torch.allclose(adapter(features), other(features))
    other.load_state_dict(adapter.state_dict())
    torch.testing.assert_close(other(features), adapter(features))
    torch.testing.assert_close(copy.deepcopy(adapter)(features), adapter(features))


@pytest.mark.parametrize("features", [torch.zeros(2, 4), torch.zeros(2, 5, 4), torch.zeros(2, 4, 3, 3)])
def test_another_width_is_refused(features):
    with pytest.raises(LimbeckError, match="student_channels"):
        Orthogonal(3, 7)(features)
