"""Laws that some losses obey. Each must fail for a loss that does not, so none may pass for lack of effect."""

from collections.abc import Callable

import torch

from laws.samples import pair, random
from limbeck.losses import DistillationLoss

Law = Callable[[DistillationLoss, tuple[int, ...]], None]


def zero_at_identity(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    teacher = random(2, shape)
    assert float(loss(teacher.clone(), teacher).abs()) < 1e-6


def non_negative(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    for seed in range(20):
        teacher, other = random(seed, shape), random(seed + 100, shape)
        for student in (other, teacher + 0.01 * other, teacher - 0.01 * other, -teacher):
            assert float(loss(student, teacher)) > -1e-6


def symmetric(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    student, teacher = pair(shape)
    same(loss(student, teacher), loss(teacher, student))


def blind_to_the_sign(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    teacher = random(2, shape)
    same(loss(-teacher, teacher), loss(teacher.clone(), teacher))


def blind_to_the_students_scale(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    student, teacher = pair(shape)
    same(loss(3 * student, teacher), loss(student, teacher))


def blind_to_a_shift_of_each_sample(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    student, teacher = pair(shape)
    shift = random(6, (shape[0], *[1] * (len(shape) - 1)))
    same(loss(student + shift, teacher), loss(student, teacher))
    same(loss(student, teacher + shift), loss(student, teacher))


def blind_to_a_shift_of_each_class(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    student, teacher = pair(shape)
    same(loss(student + random(6, (1, *shape[1:])), teacher), loss(student, teacher))


def blind_to_a_rotation_of_the_student(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    student, teacher = pair(shape)
    turn, _ = torch.linalg.qr(random(7, (shape[-1], shape[-1])))
    same(loss(student @ turn, teacher), loss(student, teacher))


def blind_to_the_order_of_classes(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    student, teacher = pair(shape)
    order = torch.arange(shape[-1]).roll(1)
    same(loss(student[..., order], teacher[..., order]), loss(student, teacher))


def mean_over_samples(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    """The loss of a batch is the mean of its samples' losses: T3 and T17 rest on this."""
    student, teacher = pair(shape)
    each = [loss(student[row : row + 1], teacher[row : row + 1]) for row in range(shape[0])]
    same(torch.stack(each).mean(), loss(student, teacher))


def unchanged_when_the_batch_is_repeated(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    student, teacher = pair(shape)
    same(loss(torch.cat([student] * 3), torch.cat([teacher] * 3)), loss(student, teacher))


def unchanged_when_classes_are_replicated(loss: DistillationLoss, shape: tuple[int, ...]) -> None:
    student, teacher = pair(shape)
    same(loss(torch.cat([student] * 3, -1), torch.cat([teacher] * 3, -1)), loss(student, teacher))


def same(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


OPTIONAL: dict[str, Law] = {
    law.__name__: law
    for law in (
        zero_at_identity,
        non_negative,
        symmetric,
        blind_to_the_sign,
        blind_to_the_students_scale,
        blind_to_a_shift_of_each_sample,
        blind_to_a_shift_of_each_class,
        blind_to_a_rotation_of_the_student,
        blind_to_the_order_of_classes,
        mean_over_samples,
        unchanged_when_the_batch_is_repeated,
        unchanged_when_classes_are_replicated,
    )
}
