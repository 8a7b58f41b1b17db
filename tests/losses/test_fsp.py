"""What is special to the flow of the solution procedure beyond the laws."""

import pytest
import torch
import torch.nn.functional as F

from laws.samples import random
from limbeck import losses
from limbeck.errors import LimbeckError


def maps(seed, *shapes):
    return tuple(random(seed + place, shape) for place, shape in enumerate(shapes))


def flow(first, last):
    return torch.einsum("nahw,nbhw->nab", first, last) / first[0, 0].numel()


def test_flow_of_two_layers_of_one_size():
    student, teacher = maps(1, (2, 3, 4, 5), (2, 6, 4, 5)), maps(5, (2, 3, 4, 5), (2, 6, 4, 5))
    expected = F.mse_loss(flow(*student), flow(*teacher))
    torch.testing.assert_close(losses.FSP()(student, teacher), expected)


def test_the_larger_layer_keeps_its_largest_values():
    student, teacher = maps(1, (2, 3, 4, 2), (2, 6, 2, 4)), maps(5, (2, 3, 4, 2), (2, 6, 2, 4))
    pooled = [(F.max_pool2d(a, (2, 1)), F.max_pool2d(b, (1, 2))) for a, b in (student, teacher)]
    expected = F.mse_loss(flow(*pooled[0]), flow(*pooled[1]))
    torch.testing.assert_close(losses.FSP()(student, teacher), expected)


def test_three_layers_are_two_pairs():
    shapes = (2, 3, 4, 4), (2, 5, 4, 4), (2, 4, 2, 2)
    student, teacher = maps(1, *shapes), maps(5, *shapes)
    loss = losses.FSP()
    pairs = loss(student[:2], teacher[:2]) + loss(student[1:], teacher[1:])
    torch.testing.assert_close(loss(student, teacher), pairs)


def test_teacher_may_see_at_another_resolution():
    student = maps(1, (2, 3, 4, 4), (2, 5, 4, 4))
    finer = tuple(each.repeat_interleave(2, 2).repeat_interleave(2, 3) for each in student)
    assert losses.FSP()(student, finer).item() < 1e-10


def test_every_layer_of_the_student_learns():
    student = tuple(each.requires_grad_() for each in maps(1, (2, 3, 4, 4), (2, 5, 2, 2)))
    losses.FSP()(student, maps(5, (2, 3, 4, 4), (2, 5, 2, 2))).backward()
    assert all(each.grad.abs().sum() > 0 for each in student)


def test_refuses_one_layer_one_tensor_and_other_channels():
    one, two = maps(1, (2, 3, 4, 4)), maps(1, (2, 3, 4, 4), (2, 5, 4, 4))
    for student, teacher in ((one, one), (two, one), (two[0], two[0])):
        with pytest.raises(LimbeckError, match="layer"):
            losses.FSP()(student, teacher)
    with pytest.raises(LimbeckError, match=r"\(2, 5, 4, 4\).*\(2, 3, 4, 4\).*adapter"):
        losses.FSP()(two, (two[0], two[0]))
