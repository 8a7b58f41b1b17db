"""What is special to SemCKD beyond the laws."""

import pytest
import torch

from laws.samples import random
from limbeck import losses
from limbeck.errors import LimbeckError

STUDENT = ((6, 2, 4, 4), (6, 3, 2, 2))
TEACHER = ((6, 4, 4, 4), (6, 5, 2, 2), (6, 6, 1, 1))


def maps(seed, shapes):
    return tuple(random(seed + number, shape) for number, shape in enumerate(shapes))


def built():
    torch.manual_seed(0)
    return losses.SemCKD(student_channels=[2, 3], teacher_channels=[4, 5, 6])


def test_attention_of_a_sample_does_not_depend_on_the_rest_of_the_batch():
    loss, student, teacher = built(), maps(1, STUDENT), maps(9, TEACHER)
    attention = loss.attention(student, teacher)
    assert attention.shape == (6, 2, 3)
    torch.testing.assert_close(attention.sum(-1), torch.ones(6, 2))
    some = [each[[4, 1]] for each in student], [each[[4, 1]] for each in teacher]
    torch.testing.assert_close(loss.attention(*some), attention[[4, 1]])


def test_batches_of_any_size_are_taken():
    loss, student, teacher = built(), maps(1, STUDENT), maps(9, TEACHER)
    for size in (2, 5):
        assert torch.isfinite(loss([each[:size] for each in student], [each[:size] for each in teacher]))


def test_value_is_the_attended_mean_of_the_pairs():
    loss, student, teacher = built(), maps(1, STUDENT), maps(9, TEACHER)
    loss.attention = lambda *_: torch.eye(3)[:2].expand(6, 2, 3)  # first from first, second from second
    pairs = [
        (loss.projectors[0](student[0]) - teacher[0]).square().mean(),
        (loss.projectors[4](student[1]) - teacher[1]).square().mean(),
    ]
    torch.testing.assert_close(loss(student, teacher), sum(pairs) / 2)


def test_low_temperature_settles_on_one_teacher_layer():
    student, teacher = maps(1, STUDENT), maps(9, TEACHER)
    loss = built()
    soft = loss.attention(student, teacher)
    loss.temperature = 0.01
    sharp = loss.attention(student, teacher)
    assert sharp.amax(-1).mean() > 0.9 > soft.amax(-1).mean()
    assert torch.equal(sharp.argmax(-1), soft.argmax(-1))


def test_attention_learns_which_layer_belongs_to_the_student():
    torch.manual_seed(0)
    loss = losses.SemCKD(student_channels=[3], teacher_channels=[3, 3], temperature=0.2)
    optimizer = torch.optim.Adam(loss.parameters(), 0.01)
    for step in range(60):
        student = random(step, (16, 3, 4, 4))
        teacher = student.flip(1), random(1000 + step, (16, 3, 4, 4))
        optimizer.zero_grad()
        loss([student], teacher).backward()
        optimizer.step()
    assert loss.attention([student], teacher)[..., 0].mean() > 0.8


def test_every_part_learns():
    loss = built()
    loss(maps(1, STUDENT), maps(9, TEACHER)).backward()
    assert all(each.grad.abs().sum() > 0 for each in loss.parameters())


def test_other_numbers_of_layers_are_refused():
    with pytest.raises(LimbeckError, match="3 layers of the teacher"):
        built()(maps(1, STUDENT), maps(9, TEACHER[:2]))
