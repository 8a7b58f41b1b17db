"""What is special to activation boundaries beyond the laws."""

import torch

from laws.samples import pair
from limbeck import losses

SHAPE = (3, 4, 5, 2)


def test_is_zero_where_the_student_is_far_enough_on_the_teachers_side():
    _, teacher = pair(SHAPE)
    side = torch.where(teacher > 0, 1.0, -1.0)
    assert losses.ActivationBoundary(margin=2)(2.5 * side, teacher).item() == 0
    assert losses.ActivationBoundary(margin=2)(1.5 * side, teacher).item() == 0.25
    assert losses.ActivationBoundary(margin=2)(-side, teacher).item() == 9


def test_knows_whether_a_neuron_fires_and_not_how_strongly():
    student, teacher = pair(SHAPE)
    loss = losses.ActivationBoundary()
    torch.testing.assert_close(loss(student, 7 * teacher), loss(student, teacher))
    torch.testing.assert_close(loss(student, teacher.relu()), loss(student, teacher))  # tapped after the ReLU


def test_gradient_stops_at_the_margin():
    student = torch.tensor([[-2.0, 0.5, 1.5]], requires_grad=True)
    losses.ActivationBoundary()(student, torch.tensor([[1.0, 1.0, 1.0]])).backward()
    torch.testing.assert_close(student.grad, torch.tensor([[-6.0, -1.0, 0.0]]) / 3)
