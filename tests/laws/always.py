"""Laws of every loss. Each takes the loss and the shape of an ordinary input."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from laws.samples import awkward, pair, random
from limbeck.errors import LimbeckError
from limbeck.losses import DistillationLoss

Law = Callable[[DistillationLoss, tuple[int, ...]], None]


def learn(loss: DistillationLoss, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss and the student's gradient."""
    leaf = student.detach().clone().requires_grad_()
    value = loss(leaf, teacher)
    (gradient,) = torch.autograd.grad(value, leaf)
    return value.detach(), gradient


def is_scalar(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    value = loss(*pair(shape))
    assert value.shape == ()
    assert value.dtype == torch.float32


def is_finite_where_others_break(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    for name, (student, teacher) in awkward(shape).items():
        value, gradient = learn(loss, student, teacher)
        assert torch.isfinite(value), f"{name}: {value}"
        assert torch.isfinite(gradient).all(), name


def is_finite_under_autocast(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    for dtype in (torch.bfloat16, torch.float16):
        for name, (student, teacher) in awkward(shape).items():
            leaf = student.to(dtype).requires_grad_()
            with torch.autocast("cpu", dtype):
                value = loss(leaf, teacher.to(dtype))
            assert value.dtype == torch.float32, "a sum over a batch does not fit in half precision"
            (gradient,) = torch.autograd.grad(value, leaf)
            assert torch.isfinite(value), f"{name}, {dtype}: {value}"
            assert torch.isfinite(gradient).all(), f"{name}, {dtype}"


def half_precision_is_near_full(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    student, teacher = (each.bfloat16() for each in pair(shape))
    with torch.autocast("cpu", torch.bfloat16):
        rough = loss(student, teacher)
    torch.testing.assert_close(rough, loss(student.float(), teacher.float()), rtol=0.01, atol=1e-3)


def takes_one_sample_or_says_why_not(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    student, teacher = pair((1, *shape[1:]))
    if loss.smallest_batch == 1:
        value, gradient = learn(loss, student, teacher)
        assert torch.isfinite(value)
        assert torch.isfinite(gradient).all()
    else:
        with pytest.raises(LimbeckError, match=r"sample"):
            loss(student, teacher)


def never_teaches_the_teacher(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    student, teacher = (each.requires_grad_() for each in pair(shape))
    loss(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad.abs().sum() > 0


def leaves_its_inputs_alone(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    student, teacher = pair(shape)
    kept = student.clone(), teacher.clone()
    loss(student, teacher)
    assert torch.equal(student, kept[0])
    assert torch.equal(teacher, kept[1])


def is_the_same_in_any_order_of_samples(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    student, teacher = pair(shape)
    order = torch.randperm(shape[0], generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(loss(student[order], teacher[order]), loss(student, teacher))


def depends_on_which_sample_is_which(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    student, teacher = pair(shape)
    assert not torch.isclose(loss(student.roll(1, 0), teacher), loss(student, teacher), rtol=1e-3)


def is_larger_for_an_independent_tensor_than_for_the_same(
    loss: DistillationLoss, shape: tuple[int, ...]
) -> None:
    student, teacher = pair(shape)
    assert loss(student, teacher) > loss(teacher.clone(), teacher) + 1e-3


def grows_along_a_perturbation(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    teacher, away = random(2, shape), random(5, shape, scale=1.0)
    values = [float(loss(teacher + step * away, teacher)) for step in (0.0, 0.25, 0.5, 1.0, 2.0)]
    assert values == sorted(values)
    assert values[-1] > values[0]


def falls_under_gradient_descent(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    student, teacher = pair(shape)
    before = float(loss(student, teacher))
    for _ in range(50):
        _, gradient = learn(loss, student, teacher)
        student = student - 0.2 * gradient
    least = float(loss(teacher, teacher))
    assert float(loss(student, teacher)) - least < 0.9 * (before - least)


def has_the_gradient_of_finite_differences(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    student, teacher = (each.double() for each in pair(shape))
    assert torch.autograd.gradcheck(lambda known: loss(known, teacher), (student.requires_grad_(),))


def keeps_double_precision(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    student, teacher = (each.double() for each in pair(shape))
    assert loss(student, teacher).dtype == torch.float64


def refuses_shapes_that_differ(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    student, teacher = pair(shape)
    with pytest.raises(LimbeckError, match=str(shape[-1] - 1)):
        loss(student, teacher[..., :-1])


def names_its_paper(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    assert loss.paper
    assert loss.kind in {"response", "feature", "relation"}


ALWAYS: dict[str, Law] = {
    law.__name__: law
    for law in (
        is_scalar,
        is_finite_where_others_break,
        is_finite_under_autocast,
        half_precision_is_near_full,
        takes_one_sample_or_says_why_not,
        never_teaches_the_teacher,
        leaves_its_inputs_alone,
        is_the_same_in_any_order_of_samples,
        depends_on_which_sample_is_which,
        is_larger_for_an_independent_tensor_than_for_the_same,
        grows_along_a_perturbation,
        falls_under_gradient_descent,
        has_the_gradient_of_finite_differences,
        keeps_double_precision,
        refuses_shapes_that_differ,
        names_its_paper,
    )
}
