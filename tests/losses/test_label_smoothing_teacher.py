"""What METHODS.md says must be shown of LabelSmoothingTeacher beyond the laws."""

import pytest
import torch
import torch.nn.functional as F

from laws.samples import pair, random
from limbeck import losses
from limbeck.errors import LimbeckError
from limbeck.types import Context

LABELS = torch.tensor([3, 1, 4, 1, 5, 9, 2, 6])


def test_is_label_smoothing_in_closed_form_at_temperature_one():
    student = random(0, (8, 10)).double()
    for probability in (0.7, 0.9, 0.99):
        strength = (1 - probability) * 10 / 9
        smoothed = F.cross_entropy(student, LABELS, label_smoothing=strength)
        other = torch.tensor((1 - probability) / 9)
        entropy = -(probability * torch.tensor(probability).log() + 9 * other * other.log())
        value = losses.LabelSmoothingTeacher(probability, temperature=1)(
            student, None, Context(targets=LABELS)
        )
        assert value.item() == pytest.approx((smoothed - entropy).item(), rel=1e-6)


def test_is_kd_from_the_logarithm_of_the_virtual_teacher():
    student = random(0, (8, 10)).double()
    virtual = torch.full((8, 10), 0.01 / 9).double().scatter(1, LABELS[:, None], 0.99).log()
    for temperature in (1.0, 20.0):
        loss = losses.LabelSmoothingTeacher(temperature=temperature)
        expected = losses.KD(temperature=temperature)(student, virtual).item()
        assert loss(student, None, Context(targets=LABELS)).item() == pytest.approx(expected, rel=1e-6)


def test_virtual_teacher_is_right_and_even_among_the_rest():
    virtual = losses.LabelSmoothingTeacher(probability=0.9).logits(LABELS, torch.zeros(8, 10)).softmax(1)
    assert torch.equal(virtual.argmax(1), LABELS)
    assert virtual.max(1).values.tolist() == pytest.approx([0.9] * 8)
    assert virtual.min(1).values.tolist() == pytest.approx([0.1 / 9] * 8)


def test_teacher_is_ignored():
    student, teacher = pair((8, 10))
    loss, context = losses.LabelSmoothingTeacher(), Context(targets=LABELS)
    values = {loss(student, each, context).item() for each in (teacher, -teacher, teacher[:2], None)}
    assert len(values) == 1


def test_rows_without_a_label_are_left_out():
    student, some = random(0, (8, 10)), LABELS.clone()
    some[3:] = -100
    loss = losses.LabelSmoothingTeacher()
    expected = loss(student[:3], None, Context(targets=LABELS[:3])).item()
    assert loss(student, None, Context(targets=some)).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("targets", [None, LABELS + 5, LABELS[:4], F.one_hot(LABELS).float()])
def test_what_are_no_labels_is_refused(targets):
    with pytest.raises(LimbeckError, match=r"LabelSmoothingTeacher"):
        losses.LabelSmoothingTeacher()(torch.zeros(8, 10), None, Context(targets=targets))
