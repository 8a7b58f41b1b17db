"""What METHODS.md says must be shown of NKD beyond the laws."""

import torch
import torch.nn.functional as F

from laws.samples import pair, random
from limbeck import losses
from limbeck.types import Context

LABELS = torch.tensor([0, 3, 9, 3, 5, 1])
CONTEXT = Context(targets=LABELS)


def non_target(student, teacher, temperature=2.0):
    """The non-target part: what a unit of its weight adds."""
    parts = [
        losses.NKD(temperature=temperature, non_target_weight=w)(student, teacher, CONTEXT)
        for w in (1.0, 0.0)
    ]
    return parts[0] - parts[1]


def test_non_target_part_is_smallest_where_the_student_agrees():
    student, teacher = pair((6, 10))[0].double(), pair((6, 10))[1].double().requires_grad_()
    least = non_target(teacher, teacher.detach())
    (gradient,) = torch.autograd.grad(least, teacher)
    assert gradient.abs().max() < 1e-12
    assert non_target(student, teacher) > least
    for seed in range(10):
        assert non_target(teacher + 0.1 * random(seed, (6, 10)), teacher) > least


def test_non_target_part_does_not_see_the_label():
    student, teacher = (each.double() for each in pair((6, 10)))
    other = student.scatter(1, LABELS[:, None], 7.0)
    torch.testing.assert_close(non_target(other, teacher), non_target(student, teacher))


def test_target_part_is_the_hard_loss_weighted_by_the_teachers_trust():
    student, teacher = (each.double() for each in pair((6, 10)))
    trust = teacher.softmax(1).gather(1, LABELS[:, None]).squeeze(1)
    expected = (trust * F.cross_entropy(student, LABELS, reduction="none")).mean()
    torch.testing.assert_close(losses.NKD(non_target_weight=0)(student, teacher, CONTEXT), expected)


def test_gradient_is_that_of_finite_differences():
    student, teacher = (each.double() for each in pair((6, 10)))
    loss = losses.NKD(temperature=2)
    assert torch.autograd.gradcheck(lambda known: loss(known, teacher, CONTEXT), (student.requires_grad_(),))


def test_is_not_zero_at_identity():
    student, _ = pair((6, 10))
    assert losses.NKD()(student, student, CONTEXT) > 0.1
