"""What is special to MGD beyond the laws."""

import pytest
import torch

from laws.samples import random
from limbeck import losses
from limbeck.errors import LimbeckError

SHAPE = (8, 3, 16, 16)


def seen_by_the_generator(loss, student):
    seen = []
    handle = loss.generator.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    loss(student, student)
    handle.remove()
    return seen[0]


def test_share_of_positions_is_hidden_in_all_channels_and_the_rest_is_not_scaled():
    torch.manual_seed(0)
    student = torch.full(SHAPE, 2.0)
    seen = seen_by_the_generator(losses.MGD(teacher_channels=3, mask_ratio=0.3), student)
    assert set(seen.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(seen[:, :1].expand(SHAPE), seen)
    assert (seen == 0).float().mean().item() == pytest.approx(0.3, abs=0.05)
    assert not torch.equal(seen[0], seen[1])


def test_nothing_is_hidden_in_evaluation():
    student = random(1, SHAPE)
    assert torch.equal(seen_by_the_generator(losses.MGD(teacher_channels=3).eval(), student), student)


def test_what_is_hidden_gets_no_gradient():
    torch.manual_seed(0)
    loss, student = losses.MGD(teacher_channels=3), random(1, SHAPE).requires_grad_()
    torch.manual_seed(5)
    loss(student, random(2, SHAPE)).backward()
    torch.manual_seed(5)
    hidden = torch.rand(8, 1, 16, 16) < 0.5
    assert student.grad.masked_select(hidden).abs().sum() == 0
    assert student.grad.masked_select(~hidden).abs().sum() > 0


def test_masks_follow_torchs_generator():
    loss, student, teacher = losses.MGD(teacher_channels=3), random(1, SHAPE), random(2, SHAPE)

    def value(seed):
        torch.manual_seed(seed)
        return loss(student, teacher).item()

    assert value(1) == value(1) != value(2)


def test_generator_learns_to_restore_a_map_from_what_is_left():
    torch.manual_seed(0)
    smooth = torch.nn.functional.interpolate(random(1, (4, 2, 2, 2)), (8, 8), mode="bilinear")
    loss = losses.MGD(teacher_channels=2)
    optimizer = torch.optim.Adam(loss.parameters(), 0.02)
    first = loss(smooth, smooth).item()
    for _ in range(80):
        optimizer.zero_grad()
        value = loss(smooth, smooth)
        value.backward()
        optimizer.step()
    assert value.item() < 0.5 * first


def test_channels_it_was_not_built_for_are_refused():
    with pytest.raises(LimbeckError, match="teacher_channels"):
        losses.MGD(teacher_channels=4)(torch.zeros(SHAPE), torch.zeros(SHAPE))
