import pytest
import torch
import torch.nn.functional as F

from laws.samples import random
from limbeck.functional import angle, angle_huber, squared_distances


def by_unit_vectors(student, teacher):
    """Return the formula as it is usually written, with a tensor (N, N, D)."""
    found = []
    for samples in (student, teacher):
        towards = F.normalize(samples[None] - samples[:, None], dim=2)
        found.append(towards @ towards.mT)
    return F.smooth_l1_loss(*found)


def learnt(loss, student, teacher):
    leaf = student.clone().requires_grad_()
    value = loss(leaf, teacher)
    return value.detach(), torch.autograd.grad(value, leaf)[0]


def by_distances(student, teacher):
    return angle_huber(squared_distances(student), squared_distances(teacher))


@pytest.mark.parametrize("held", [1, 49, 100, 2**18])
def test_value_and_gradient_are_those_of_unit_vectors_however_many_triplets_are_held(held, monkeypatch):
    monkeypatch.setitem(angle.CHUNK, "cpu", held)
    student, teacher = random(0, (7, 5)).double(), random(1, (7, 3)).double()
    for ours, theirs in zip(
        learnt(by_distances, student, teacher), learnt(by_unit_vectors, student, teacher), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("near", [1e-1, 1e-2, 1e-3])
def test_single_precision_agrees_with_double_at_near_rows_and_large_means(near):
    student, teacher = random(0, (8, 6)), random(1, (8, 6)) + 1e3
    student[1] = student[0] + near * random(2, (6,))
    teacher[3] = teacher[2] + near * random(3, (6,))
    value, gradient = learnt(by_distances, student, teacher)
    exact, slope = learnt(by_unit_vectors, student.double(), teacher.double())
    torch.testing.assert_close(value, exact, rtol=1e-6, atol=0)
    torch.testing.assert_close(gradient.double(), slope, rtol=1e-5, atol=1e-6 * slope.abs().max().item())


def test_far_cosines_have_a_bounded_slope():
    line, fold = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0.0], [2.0], [1.0]])
    # cosines at 0, 1, 2 between the others: 1, -1, 1 on the line; 1, 1, -1 folded; off by 2 in 4 of 27 triplets
    assert by_distances(line, fold).item() == pytest.approx(4 * 1.5 / 27)


def test_gradient_is_that_of_finite_differences():
    teacher = squared_distances(random(1, (5, 3)).double())
    student = random(0, (5, 4)).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda known: angle_huber(squared_distances(known), teacher), (student,))


def test_teacher_learns_nothing():
    student, teacher = (squared_distances(random(seed, (4, 3))).requires_grad_() for seed in (0, 1))
    angle_huber(student, teacher).backward()
    assert teacher.grad is None
