"""What METHODS.md says must be shown of DKD beyond the laws."""

import pytest
import torch

from laws.samples import pair
from limbeck import losses
from limbeck.errors import LimbeckError
from limbeck.functional import decoupled_kl
from limbeck.types import Context

LABELS = torch.tensor([0, 3, 9, 3, 5, 1])


def context(labels=LABELS):
    return Context(targets=labels)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_weights_of_one_and_of_what_the_teacher_leaves_give_back_kd(temperature):
    student, teacher = (each.double() for each in pair((6, 10)))
    target, rest = decoupled_kl(student / temperature, teacher / temperature, LABELS)
    left = 1 - (teacher / temperature).softmax(1).gather(1, LABELS[:, None]).squeeze(1)
    whole = temperature**2 * (target + left * rest).mean()
    torch.testing.assert_close(whole, losses.KD(temperature=temperature)(student, teacher))


def test_is_the_weighted_mean_of_its_two_parts():
    student, teacher = (each.double() for each in pair((6, 10)))
    target, rest = decoupled_kl(student / 2, teacher / 2, LABELS)
    loss = losses.DKD(temperature=2, target_weight=0.5, non_target_weight=3)
    torch.testing.assert_close(loss(student, teacher, context()), 4 * (0.5 * target + 3 * rest).mean())


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("who", ["student", "teacher", "both"])
def test_logits_thousands_apart_give_finite_values_and_gradients(who, right):
    sure = torch.zeros(1, 5).index_fill(1, torch.tensor([0 if right else 1]), 4000.0)
    even = torch.tensor([[0.1, 0.3, -0.2, 0.5, 0.0]])
    student = (even if who == "teacher" else sure).clone().requires_grad_()
    loss = losses.DKD(temperature=1)(student, even if who == "student" else sure, context(torch.tensor([0])))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(student.grad).all()
    if who == "student":
        assert (
            loss > 1000
        )  # being sure of what the teacher doubts costs what the logits say, not what they round to


def test_two_classes_have_no_non_target_part():
    student, teacher = (each.double() for each in pair((6, 2)))
    labels = context(torch.tensor([0, 1, 1, 0, 0, 1]))
    value = losses.DKD(temperature=2, non_target_weight=8)(student, teacher, labels)
    torch.testing.assert_close(value, losses.KD(temperature=2)(student, teacher))


def test_rows_without_a_label_count_nothing():
    student, teacher = (each.double().requires_grad_() for each in pair((6, 10)))
    some = LABELS.clone()
    some[3:] = -100
    loss = losses.DKD()
    torch.testing.assert_close(
        loss(student, teacher, context(some)), loss(student[:3], teacher[:3], context(LABELS[:3]))
    )
    none = loss(student, teacher, context(torch.full((6,), -100)))
    none.backward()
    assert none.item() == 0
    assert student.grad.abs().sum() == 0


def test_each_position_has_its_label():
    student, teacher = pair((2, 3, 10))
    flat = [each.flatten(0, 1) for each in (student, teacher)]
    loss = losses.DKD()
    torch.testing.assert_close(loss(student, teacher, context(LABELS.view(2, 3))), loss(*flat, context()))


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        (None, "targets"),
        (LABELS[:5], "class index"),
        (LABELS.float(), "float32"),
        (torch.zeros(6, 10), "class index"),
        ([0, 3, 9, 3, 5, 1], "list"),
        (LABELS + 1, "10 classes"),
        (LABELS - 1, "10 classes"),
    ],
)
def test_targets_that_are_no_class_indices_are_refused(targets, told):
    with pytest.raises(LimbeckError, match=told):
        losses.DKD()(*pair((6, 10)), Context(targets=targets))
