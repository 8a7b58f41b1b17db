"""What every loss does with its inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from laws.optional import mean_over_samples
from laws.samples import awkward, slopes_agree
from limbeck.errors import LimbeckError

if TYPE_CHECKING:
    from cases.case import Case

Law = Callable[["Case"], None]


def learn(case: Case, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss and the student's gradient."""
    leaf = student.detach().clone().requires_grad_()
    value = case(leaf, teacher)
    (gradient,) = torch.autograd.grad(value, leaf)
    return value.detach(), gradient


def single(tensors: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return tensors[0].float(), tensors[1].float()


def shaped_otherwise(case: Case) -> Iterator[Case]:
    """Yield the case at the shapes that other toolkits forgot (PITFALLS 14, 19)."""
    if case.made.place == "logits" and case.alike and not case.fixed:
        yield case.reshaped(lambda shape: (*shape[:-1], 2), "two classes")
    if case.on_maps:
        yield case.reshaped(lambda shape: (*shape[:2], shape[2], shape[2]), "square")
        yield case.reshaped(lambda shape: (*shape[:2], shape[3], shape[2]), "wide")


def is_a_single_precision_scalar(case: Case) -> None:
    value = case(*single(case.pair()))
    assert value.shape == ()
    assert value.dtype == torch.float32


def keeps_double_precision(case: Case) -> None:
    assert case(*case.pair()).dtype == torch.float64


def is_finite_where_others_break(case: Case) -> None:
    for each in (case, *shaped_otherwise(case)):
        for name, (student, teacher) in awkward(*single(each.pair())).items():
            is_finite(each, student, teacher, f"{each.note} {name}")


def is_finite_under_autocast(case: Case) -> None:
    for dtype in (torch.bfloat16, torch.float16):
        for name, (student, teacher) in awkward(*single(case.pair()), case.loudest).items():
            with torch.autocast("cpu", dtype):
                is_finite(case, student.to(dtype), teacher.to(dtype), f"{name}, {dtype}")


def is_finite(case: Case, student: Tensor, teacher: Tensor, name: str) -> None:
    loss = case.loss()
    leaf = student.detach().clone().requires_grad_()
    value = case(leaf, teacher, loss)
    assert value.dtype == torch.float32, "a sum over a batch does not fit in half precision"
    assert torch.isfinite(value), f"{name}: {value}"
    with torch.autocast("cpu", enabled=False):
        value.backward()
    assert torch.isfinite(leaf.grad).all(), name
    for whose, each in loss.named_parameters():
        assert each.grad is None or torch.isfinite(each.grad).all(), f"{name}: {whose}"


def half_precision_is_near_full(case: Case) -> None:
    student, teacher = (each.bfloat16() for each in case.pair())
    with torch.autocast("cpu", torch.bfloat16):
        rough = case(student, teacher)
    learnt = any(True for _ in case.loss().parameters())  # their products are rounded too
    exact = case(student.float(), teacher.float())
    torch.testing.assert_close(rough, exact, rtol=0.05 if learnt else 0.001, atol=1e-4)


def single_precision_is_near_double(case: Case) -> None:
    student, teacher = case.pair()
    exact, slope = learn(case, student, teacher)
    rough, rough_slope = learn(case, *single((student, teacher)))
    torch.testing.assert_close(rough.double(), exact, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(rough_slope.double(), slope, rtol=1e-2, atol=1e-3 * float(slope.abs().max()))


def takes_few_samples_or_says_why_not(case: Case) -> None:
    least = case.made.smallest_batch
    for count in range(1, least):
        with pytest.raises(LimbeckError, match=rf"{case.made.__name__}.*\b{least}\b.*{count}"):
            case(*case.pair(samples=count))
    for count in (least, least + 1):
        is_finite(case, *single(case.pair(samples=count)), f"{count} samples")


def never_teaches_the_teacher(case: Case) -> None:
    student, teacher = (each.requires_grad_() for each in case.pair())
    case(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad.abs().sum() > 0


def leaves_its_inputs_alone(case: Case) -> None:
    student, teacher = case.pair()
    kept = student.clone(), teacher.clone()
    case(student.requires_grad_(), teacher).backward()
    assert torch.equal(student, kept[0])
    assert torch.equal(teacher, kept[1])


def reads_tensors_however_they_lie_in_memory(case: Case) -> None:
    student, teacher = case.pair()
    scattered = [each.movedim(0, -1).contiguous().movedim(-1, 0) for each in (student, teacher)]
    torch.testing.assert_close(case(*scattered), case(student, teacher))
    if case.on_maps and not case.made.several:
        last = [each.contiguous(memory_format=torch.channels_last) for each in (student, teacher)]
        torch.testing.assert_close(case(*last), case(student, teacher))


def is_the_same_in_any_order_of_samples(case: Case) -> None:
    student, teacher = case.pair()
    order = torch.randperm(len(student), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(case(student[order], teacher[order]), case(student, teacher))


def depends_on_which_sample_is_which(case: Case) -> None:
    student, teacher = case.pair()
    assert not torch.isclose(case(student.roll(1, 0), teacher), case(student, teacher), rtol=1e-3, atol=0)


def says_so_where_samples_count_together(case: Case) -> None:
    """Several processes join their samples for such a loss; of any other they take the mean."""
    if not case.made.relates_samples:
        mean_over_samples(case)


def is_larger_for_an_independent_tensor_than_for_the_same(case: Case) -> None:
    if case.alike:
        same = case(case.teacher(), case.teacher())
        for seed in (1, 11, 21):
            assert case(case.student(seed), case.teacher()) > same + 1e-3 * same.abs() + 1e-9


def minds_the_sign(case: Case) -> None:
    """T5: negated knowledge is worse than the same knowledge, unless the definition cannot see the sign."""
    if case.alike and "blind_to_the_sign" not in case.laws:
        for seed in (2, 12, 22):
            teacher = case.teacher(seed)
            assert case(-teacher, teacher) > case(teacher.clone(), teacher)


def grows_along_a_perturbation(case: Case) -> None:
    if case.alike:
        teacher, away = case.teacher(), case.student(5, scale=1.0)
        values = [case(teacher + step * away, teacher).item() for step in (0.0, 0.25, 0.5, 1.0, 2.0)]
        assert values == sorted(values)
        assert values[-1] > values[0]


def falls_under_gradient_descent(case: Case) -> None:
    """At some step size twenty steps of gradient descent never raise the loss and lower it well."""
    student, teacher = case.pair()
    _, first = learn(case, student, teacher)
    least = case(teacher.clone(), teacher).item() if case.alike else 0.0
    for share in (0.3, 0.1, 0.03):
        rate = share * student.norm() / first.norm()
        values, leaf = [], student
        for _ in range(20):
            value, gradient = learn(case, leaf, teacher)
            values.append(value.item())
            leaf = leaf - rate * gradient
        if all(later < earlier for earlier, later in pairwise(values)):
            break
    assert all(later < earlier for earlier, later in pairwise(values)), values
    assert values[0] - values[-1] > 0.1 * abs(values[0] - least)


def has_the_gradient_of_finite_differences(case: Case) -> None:
    small = case.smaller()
    student, teacher = small.pair()
    assert slopes_agree(lambda known: small(known, teacher), student)


LAWS: dict[str, Law] = {
    law.__name__: law
    for law in (
        is_a_single_precision_scalar,
        keeps_double_precision,
        is_finite_where_others_break,
        is_finite_under_autocast,
        half_precision_is_near_full,
        single_precision_is_near_double,
        takes_few_samples_or_says_why_not,
        never_teaches_the_teacher,
        leaves_its_inputs_alone,
        reads_tensors_however_they_lie_in_memory,
        is_the_same_in_any_order_of_samples,
        depends_on_which_sample_is_which,
        says_so_where_samples_count_together,
        is_larger_for_an_independent_tensor_than_for_the_same,
        minds_the_sign,
        grows_along_a_perturbation,
        falls_under_gradient_descent,
        has_the_gradient_of_finite_differences,
    )
}
