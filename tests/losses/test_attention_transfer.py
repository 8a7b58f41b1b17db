"""What is special to attention transfer beyond the laws."""

import pytest
import torch
import torch.nn.functional as F

from laws.samples import pair, random
from limbeck import losses
from limbeck.functional import spatial_attention

SHAPE = (3, 6, 5, 4)


def test_number_and_order_of_channels_do_not_matter():
    student, teacher = pair(SHAPE)
    wider = torch.cat([teacher.flip(1)] * 2, 1)
    torch.testing.assert_close(
        losses.AttentionTransfer()(student, wider), losses.AttentionTransfer()(student, teacher)
    )


def test_is_twice_one_minus_the_cosine_and_so_at_most_two():
    student, teacher = pair(SHAPE)
    ours, theirs = (each.square().mean(1).flatten(1) for each in (student, teacher))
    cosine = F.cosine_similarity(ours, theirs)
    torch.testing.assert_close(losses.AttentionTransfer()(student, teacher), 2 * (1 - cosine).mean())


def test_both_axes_are_resized_each_to_the_smaller():
    student, teacher = random(1, (2, 3, 6, 2)), random(2, (2, 5, 3, 4))
    ours = student.square().mean(1).unflatten(1, (3, 2)).mean(2)
    theirs = teacher.square().mean(1).unflatten(2, (2, 2)).mean(3)
    apart = F.normalize(ours.flatten(1)) - F.normalize(theirs.flatten(1))
    torch.testing.assert_close(losses.AttentionTransfer()(student, teacher), apart.square().sum(1).mean())


def test_opposite_signs_do_not_cancel_when_a_map_is_pooled():
    checked = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).expand(1, 1, 2, 2)
    strong = torch.cat([checked, torch.zeros(1, 1, 2, 2)], 3)  # active on the left, mean 0
    assert losses.AttentionTransfer()(strong, torch.tensor([[[[1.0, 0.0]]]])).item() < 1e-6


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0, 3.0, 4.0])
def test_gradient_by_hand_is_that_of_autograd(power):
    features = random(3, SHAPE).double().requires_grad_()
    towards = random(4, (3, 5, 4)).double()
    (expected,) = torch.autograd.grad((features.abs().pow(power).mean(1) * towards).sum(), features)
    (found,) = torch.autograd.grad((spatial_attention(features, power) * towards).sum(), features)
    torch.testing.assert_close(found, expected)
