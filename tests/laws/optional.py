"""Laws that some losses obey. Each must fail for a loss that does not, so none may pass for lack of effect.

The channels of logits are their classes; those of maps lie on axis 1, those of everything else on the last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from laws.samples import random

if TYPE_CHECKING:
    from cases.case import Case

Law = Callable[["Case"], None]


def zero_at_identity(case: Case) -> None:
    student, teacher = case.pair()
    assert case.alike
    assert abs(case(teacher.clone(), teacher).item()) < 1e-9
    single = case(teacher.float(), teacher.float())
    assert abs(single.item()) < 1e-5 * case(student, teacher).item()


def non_negative(case: Case) -> None:
    for seed in range(10):
        teacher, other = case.teacher(seed), case.student(seed + 100)
        near = (teacher + 0.01 * other, teacher - 0.01 * other, -teacher) if case.alike else ()
        for student in (other, *near):
            assert case(student, teacher).item() > -1e-9


def symmetric(case: Case) -> None:
    student, teacher = case.pair()
    assert case.alike
    same(case(student, teacher), case(teacher, student))


def blind_to_the_sign(case: Case) -> None:
    student, teacher = case.pair()
    same(case(-student, teacher), case(student, teacher))


def blind_to_the_scale(case: Case) -> None:
    """Of either side, by one factor."""
    student, teacher = case.pair()
    same(case(3 * student, teacher), case(student, teacher))
    same(case(student, 3 * teacher), case(student, teacher))


def blind_to_the_students_scale(case: Case) -> None:
    student, teacher = case.pair()
    same(case(3 * student, teacher), case(student, teacher))


def blind_to_the_scale_of_each_sample(case: Case) -> None:
    student, teacher = case.pair()
    same(case(student * samples(student).exp(), teacher), case(student, teacher))
    same(case(student, teacher * samples(teacher).exp()), case(student, teacher))


def blind_to_the_scale_of_each_channel(case: Case) -> None:
    student, teacher = case.pair()
    same(
        case(case.mapped(lambda each: each * channels(each).exp(), student), teacher), case(student, teacher)
    )


def blind_to_a_shift_of_each_sample(case: Case) -> None:
    student, teacher = case.pair()
    same(case(student + samples(student), teacher), case(student, teacher))
    same(case(student, teacher + samples(teacher)), case(student, teacher))


def blind_to_a_shift_of_each_channel(case: Case) -> None:
    student, teacher = case.pair()
    same(case(case.mapped(lambda each: each + channels(each), student), teacher), case(student, teacher))


def blind_to_a_rotation_of_the_student(case: Case) -> None:
    student, teacher = case.pair()
    same(case(case.mapped(rotated, student), teacher), case(student, teacher))


def blind_to_the_order_of_channels(case: Case) -> None:
    """Of both sides, changed together."""
    student, teacher = case.pair()
    same(case(case.mapped(rolled, student), case.mapped(rolled, teacher, teacher)), case(student, teacher))


def blind_to_the_order_of_positions(case: Case) -> None:
    """Of both sides, changed together: maps and tokens only."""
    student, teacher = case.pair()
    assert min(len(each) for each in (*case.student_layers, *case.teacher_layers)) > 2
    same(
        case(case.mapped(shuffled, student), case.mapped(shuffled, teacher, teacher)), case(student, teacher)
    )


def reads_positions_as_rows(case: Case) -> None:
    """Logits (N, L, C) of sequences count as N · L samples (N, C)."""
    student, teacher = case.pair()
    assert student.dim() == 2
    assert not case.made.several
    tokens = [each.view(len(each) // 2, 2, -1) for each in (student, teacher)]
    same(case(*tokens), case(student, teacher))


def takes_classes_that_the_teacher_rules_out(case: Case) -> None:
    """A teacher of fewer classes, or with some masked, gives them logits of −inf."""
    assert case.made.place == "logits"
    assert case.made.task != "regression"
    student, teacher = case.pair()
    student.requires_grad_()
    middle = teacher.argsort(-1)[..., teacher.shape[-1] // 2, None]
    ruled_out = teacher.scatter(-1, middle, -torch.inf)
    value = case.loss(torch.float64)(student, ruled_out, case.context(teacher))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(student.grad).all()


def mean_over_samples(case: Case) -> None:
    """The loss of a batch is the mean of its samples' losses: T3 and T17 rest on this."""
    student, teacher = case.pair()
    size = case.made.smallest_batch
    assert len(student) % size == 0
    assert len(student) > size
    parts = zip(student.split(size), teacher.split(size), strict=True)
    same(torch.stack([case(*each) for each in parts]).mean(), case(student, teacher))


def unchanged_when_the_batch_is_repeated(case: Case) -> None:
    student, teacher = case.pair()
    same(case(torch.cat([student] * 3), torch.cat([teacher] * 3)), case(student, teacher))


def unchanged_when_channels_are_replicated(case: Case) -> None:
    student, teacher = case.pair()
    assert not case.fixed
    wide = case.reshaped(
        lambda shape: (*shape[: place(shape)], 3 * shape[place(shape)], *shape[place(shape) + 1 :])
    )
    triple = [
        case.mapped(lambda layer: torch.cat([layer] * 3, place(layer.shape)), student),
        case.mapped(lambda layer: torch.cat([layer] * 3, place(layer.shape)), teacher, teacher),
    ]
    same(wide(*triple), case(student, teacher))


def place(shape: tuple[int, ...]) -> int:
    """Return the axis of the channels."""
    return 1 if len(shape) == 4 else len(shape) - 1


def samples(tensor: Tensor) -> Tensor:
    """Return one number for each sample, to be broadcast."""
    return random(6, (len(tensor), *[1] * (tensor.dim() - 1))).double()


def channels(layer: Tensor) -> Tensor:
    """Return one number for each channel, to be broadcast."""
    axis = place(layer.shape)
    return random(
        6, tuple(size if each == axis else 1 for each, size in enumerate(layer.shape)), 1.0
    ).double()


def rolled(layer: Tensor) -> Tensor:
    return layer.roll(1, place(layer.shape))


def rotated(layer: Tensor) -> Tensor:
    axis = place(layer.shape)
    assert layer.shape[axis] > 1
    turn, _ = torch.linalg.qr(random(7, (layer.shape[axis], layer.shape[axis])).double())
    return (layer.movedim(axis, -1) @ turn).movedim(-1, axis)


def shuffled(layer: Tensor) -> Tensor:
    if layer.dim() == 4:
        order = torch.randperm(layer[0, 0].numel(), generator=torch.Generator().manual_seed(8))
        return layer.flatten(2)[:, :, order].view_as(layer)
    return layer[:, torch.arange(layer.shape[1]).roll(1)]


def same(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-9)


OPTIONAL: dict[str, Law] = {
    law.__name__: law
    for law in (
        zero_at_identity,
        non_negative,
        symmetric,
        blind_to_the_sign,
        blind_to_the_scale,
        blind_to_the_students_scale,
        blind_to_the_scale_of_each_sample,
        blind_to_the_scale_of_each_channel,
        blind_to_a_shift_of_each_sample,
        blind_to_a_shift_of_each_channel,
        blind_to_a_rotation_of_the_student,
        blind_to_the_order_of_channels,
        blind_to_the_order_of_positions,
        reads_positions_as_rows,
        takes_classes_that_the_teacher_rules_out,
        mean_over_samples,
        unchanged_when_the_batch_is_repeated,
        unchanged_when_channels_are_replicated,
    )
}
