"""What is special to SimKD beyond the laws."""

import pytest
import torch
from torch import nn

from laws.samples import random
from limbeck import losses
from limbeck.errors import LimbeckError


def train(loss, student, teacher, steps=150):
    optimizer = torch.optim.Adam(loss.parameters(), 0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss(student, teacher)
        value.backward()
        optimizer.step()
    return value.item()


def test_student_with_projector_and_teachers_classifier_answers_like_the_teacher():
    torch.manual_seed(0)
    student, teacher = random(1, (16, 3, 4, 4)), random(2, (16, 6, 4, 4)).relu()
    loss, classifier = losses.SimKD(student_channels=3, teacher_channels=6, factor=1), nn.Linear(6, 5)
    first = loss(student, teacher).item()
    assert train(loss, student, teacher) < 0.6 * first
    answers = classifier(loss.projector(student).mean((2, 3)))
    assert answers.shape == (16, 5)
    assert (answers.argmax(1) == classifier(teacher.mean((2, 3))).argmax(1)).float().mean() > 0.6


def test_projector_does_not_know_the_teachers_resolution():
    torch.manual_seed(0)
    loss = losses.SimKD(student_channels=3, teacher_channels=4)
    student, teacher = random(1, (2, 3, 8, 6)), random(2, (2, 4, 4, 3))
    pooled = nn.functional.avg_pool2d(loss.projector(student), 2)
    torch.testing.assert_close(loss(student, teacher), nn.functional.mse_loss(pooled, teacher))
    larger = random(2, (2, 4, 16, 12))
    small = nn.functional.avg_pool2d(larger, 2)
    torch.testing.assert_close(loss(student, larger), nn.functional.mse_loss(loss.projector(student), small))


def test_a_teacher_of_both_signs_wants_no_relu_at_the_end():
    torch.manual_seed(0)
    student, teacher = random(1, (8, 3, 4, 4)), -random(2, (8, 4, 1, 1)).abs().expand(8, 4, 4, 4)
    left = {
        rectified: train(losses.SimKD(3, 4, factor=1, rectified=rectified), student, teacher, 60)
        for rectified in (True, False)
    }
    assert left[True] >= 0.99 * teacher.square().mean().item() > 2 * left[False]


def test_factor_makes_the_inside_narrow_and_every_part_learns():
    loss = losses.SimKD(student_channels=3, teacher_channels=12, factor=4)
    assert loss.projector[0].out_channels == loss.projector[3].in_channels == 3
    loss(random(1, (2, 3, 4, 4)), random(2, (2, 12, 4, 4))).backward()
    assert all(each.grad.abs().sum() > 0 for each in loss.parameters())


def test_vectors_and_other_widths_are_refused():
    loss = losses.SimKD(student_channels=3, teacher_channels=4)
    with pytest.raises(LimbeckError, match="maps"):
        loss(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(LimbeckError, match="3 channels of the student"):
        loss(torch.zeros(2, 5, 4, 4), torch.zeros(2, 4, 4, 4))
    with pytest.raises(LimbeckError, match="4 channels of the teacher"):
        loss(torch.zeros(2, 3, 4, 4), torch.zeros(2, 5, 4, 4))
