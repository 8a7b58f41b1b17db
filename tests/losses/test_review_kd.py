"""What is special to ReviewKD beyond the laws."""

import pytest
import torch
import torch.nn.functional as F

from laws.samples import random
from limbeck import losses
from limbeck.errors import LimbeckError
from limbeck.losses.review_kd import hierarchical_context


@pytest.mark.parametrize("size", [(8, 8), (7, 7), (6, 4), (8, 3), (4, 4), (2, 9), (1, 1)])
def test_pyramid_is_that_of_pooling_both_maps_at_every_size(size):
    student, teacher = random(1, (2, 3, *size)).double(), random(2, (2, 3, *size)).double()
    total, weights = F.mse_loss(student, teacher), 1.0
    for halvings, pooled in enumerate([p for p in (4, 2, 1) if p < max(size)], start=1):
        grid = min(pooled, size[0]), min(pooled, size[1])
        both = [F.adaptive_avg_pool2d(each, grid) for each in (student, teacher)]
        total, weights = total + 0.5**halvings * F.mse_loss(*both), weights + 0.5**halvings
    torch.testing.assert_close(hierarchical_context(student, teacher), total / weights)


def levels(*shapes):
    return tuple(random(seed, shape).requires_grad_() for seed, shape in enumerate(shapes))


def test_each_teacher_level_teaches_its_own_and_all_deeper_student_levels():
    torch.manual_seed(0)
    loss = losses.ReviewKD(student_channels=[2, 3, 4], teacher_channels=[5, 6, 7])
    teacher = levels((2, 5, 8, 8), (2, 6, 4, 4), (2, 7, 2, 2))
    taught = []
    for level in range(3):
        student = levels((2, 2, 8, 8), (2, 3, 4, 4), (2, 4, 2, 2))
        changed = [each.detach() for each in teacher]
        changed[level] = changed[level] * 2
        gap = loss(student, changed) - loss(student, teacher)
        gradients = torch.autograd.grad(gap, student, allow_unused=True)
        taught.append([g is not None and bool(g.abs().max() > 1e-6) for g in gradients])
    assert taught == [[True, True, True], [False, True, True], [False, False, True]]


def test_every_part_learns_and_the_deepest_level_has_nothing_to_attend_to():
    torch.manual_seed(0)
    loss = losses.ReviewKD(student_channels=[2, 3], teacher_channels=[4, 5])
    student, teacher = levels((2, 2, 6, 4), (2, 3, 3, 2)), levels((2, 4, 5, 3), (2, 5, 2, 2))
    loss(student, teacher).backward()
    assert all(each.grad.abs().sum() > 0 for each in loss.parameters())
    assert loss.fusions[1].attention is None
    assert not any("attention" in name for name, _ in loss.fusions[1].named_parameters())


def test_middle_is_as_wide_as_the_deepest_student_level_but_512_at_most():
    widths = [losses.ReviewKD([8, wide], [8, 8]).fusions[0].own[0].out_channels for wide in (16, 512, 600)]
    assert widths == [16, 512, 512]


def test_pooled_embedding_may_be_the_last_level():
    loss = losses.ReviewKD(student_channels=[2, 3], teacher_channels=[4, 5])
    student, teacher = levels((2, 2, 6, 6), (2, 3, 1, 1)), levels((2, 4, 6, 6), (2, 5, 1, 1))
    assert torch.isfinite(loss(student, teacher))


@pytest.mark.parametrize(
    ("student", "teacher", "told"),
    [
        (torch.zeros(2, 2, 4, 4), levels((2, 4, 4, 4), (2, 5, 2, 2)), "2 layers of the student.*one tensor"),
        (levels((2, 2, 4, 4)), levels((2, 4, 4, 4), (2, 5, 2, 2)), "2 layers of the student.*1 tensors"),
        (levels((2, 2, 4, 4), (2, 3, 2, 2)), levels((2, 4, 4, 4), (2, 6, 2, 2)), "5 channels of the teacher"),
        (levels((2, 2, 4, 4), (2, 3)), levels((2, 4, 4, 4), (2, 5, 2, 2)), "feature maps"),
        (levels((2, 2, 4, 4), (3, 3, 2, 2)), levels((2, 4, 4, 4), (2, 5, 2, 2)), "same samples"),
    ],
)
def test_layers_it_was_not_built_for_are_refused(student, teacher, told):
    loss = losses.ReviewKD(student_channels=[2, 3], teacher_channels=[4, 5])
    with pytest.raises(LimbeckError, match=told):
        loss(student, teacher)


def test_as_many_levels_of_one_as_of_the_other():
    with pytest.raises(LimbeckError, match="one to one"):
        losses.ReviewKD(student_channels=[2, 3], teacher_channels=[4])
