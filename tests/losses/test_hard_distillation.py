"""What METHODS.md says must be shown of HardDistillation beyond the laws."""

import pytest
import timm
import torch
import torch.nn.functional as F

from laws.samples import pair
from limbeck import Frozen, Offline, Term, losses
from limbeck.types import Batch


def test_teachers_decision_is_a_label_like_any_other():
    student, teacher = pair((8, 10))
    expected = F.cross_entropy(student, teacher.argmax(1))
    assert torch.equal(losses.HardDistillation()(student, teacher), expected)


def test_depends_on_the_teachers_decisions_alone():
    student, teacher = pair((8, 10))
    louder = teacher * 7 + 3
    assert torch.equal(
        losses.HardDistillation()(student, teacher), losses.HardDistillation()(student, louder)
    )


def test_tie_goes_to_the_first_class():
    student = torch.tensor([[1.0, 2.0, 3.0]])
    value = losses.HardDistillation()(student, torch.zeros(1, 3))
    assert value.item() == pytest.approx(F.cross_entropy(student, torch.tensor([0])).item())


def test_distillation_token_learns_it_where_the_student_has_one():
    torch.manual_seed(0)
    student = timm.create_model(
        "deit_tiny_distilled_patch16_224", img_size=32, embed_dim=12, depth=1, num_heads=3, num_classes=5
    )
    teacher = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 5))
    term = Term(losses.HardDistillation(), student="head_dist", weight=0.5)
    scheme = Offline(student, Frozen(teacher), [term], task_weight=0.5)
    parts = scheme(Batch(torch.randn(2, 3, 32, 32), torch.tensor([0, 1])))
    parts["HardDistillation"].backward()
    assert student.head_dist.weight.grad.abs().sum() > 0
    assert student.head.weight.grad is None
