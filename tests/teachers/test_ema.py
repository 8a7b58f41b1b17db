"""The average moves towards the student, slowly, and the student never towards it."""

import copy

import pytest
import torch
from torch import nn

from limbeck import Batch, LimbeckError
from limbeck.teachers import Ema, Teacher
from train.toys import same_state


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))


def batch(rows=6):
    return Batch(torch.randn(rows, 4, generator=torch.Generator().manual_seed(1)))


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def wander(student, seed):
    """Give the student other weights and statistics."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in student.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape, generator=generator) + 0.1)
            else:
                value.add_(1)


def followed(decay, steps, start=0):
    student = network()
    teacher = Ema(student, decay)
    teacher.steps += start
    for step in range(steps):
        wander(student, step)
        teacher.follow(student)
    return teacher, student


def test_is_a_teacher_and_begins_as_the_student():
    student = network()
    teacher = Ema(student)
    assert isinstance(teacher, Teacher)
    assert same_state(state(student), state(teacher.model))
    assert torch.equal(teacher(batch())["logits"], copy.deepcopy(student).eval()(batch().inputs))


def test_a_decay_near_one_keeps_the_teacher_near_its_old_self():
    """T16: the wrong way round the teacher would be the student."""
    student = network()
    teacher = Ema(student, decay=0.999)
    teacher.steps += 10**6  # long after the warm-up
    old = state(teacher.model)
    wander(student, 1)
    teacher.follow(student)
    now = teacher.model.state_dict()["0.weight"]
    to_old, to_new = (now - old["0.weight"]).norm(), (now - student[0].weight).norm()
    assert to_old < 0.002 * to_new
    assert to_old > 0.0005 * to_new  # and yet it moves


def test_follows_the_formula_step_by_step():
    decay, student = 0.8, network()
    teacher = Ema(student, decay).double()
    expected = {name: value.double() for name, value in state(student).items()}
    for t in range(1, 12):
        wander(student, t)
        student.double()
        teacher.follow(student)
        d = min(1 - 1 / (t + 1), decay)
        for name, value in student.state_dict().items():
            average = d * expected[name] + (1 - d) * value.double()
            expected[name] = average if value.is_floating_point() else value.double()
    for name, value in teacher.model.state_dict().items():
        torch.testing.assert_close(value.double(), expected[name], rtol=1e-6, atol=1e-7)


def test_warm_up_is_the_plain_mean_of_all_states():
    student = network()
    seen = [student[4].bias.detach().clone()]
    teacher = Ema(student, decay=0.999)
    for step in range(5):
        wander(student, step)
        seen.append(student[4].bias.detach().clone())
        teacher.follow(student)
    torch.testing.assert_close(teacher.model[4].bias, torch.stack(seen).mean(0))


def test_statistics_are_averaged_and_counters_copied():
    teacher, student = followed(decay=0.9, steps=3, start=10**6)
    assert torch.equal(teacher.model[1].num_batches_tracked, student[1].num_batches_tracked)
    assert not torch.equal(teacher.model[1].running_var, student[1].running_var)
    assert (teacher.model[1].running_var > 0).all()


def test_no_decay_is_the_student():
    teacher, student = followed(decay=0.0, steps=2)
    for name, value in student.state_dict().items():
        torch.testing.assert_close(teacher.model.state_dict()[name], value, rtol=1e-6, atol=1e-7)


def test_masks_of_minus_infinity_stay():
    student = network()
    mask = torch.full((3, 3), -torch.inf).triu(1)
    student.register_buffer("mask", mask.clone())
    student.register_buffer("kept", mask.clone(), persistent=False)
    teacher = Ema(student, 0.9)
    teacher.follow(student)
    assert torch.equal(teacher.model.mask, mask)
    assert torch.equal(teacher.model.kept, mask)


def test_shared_weights_are_averaged_once():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Linear(3, 3)
            self.other = self.one

    student = Tied()
    teacher = Ema(student, 0.9)
    teacher.steps += 10**6
    before = student.one.weight.detach().clone()
    with torch.no_grad():
        student.one.weight += 1
    teacher.follow(student)
    torch.testing.assert_close(teacher.model.one.weight, before + 0.1)
    assert teacher.model.other is teacher.model.one


def test_student_is_not_touched_and_teacher_needs_no_gradient():
    student = network()
    teacher = Ema(student, 0.5)
    wander(student, 3)
    before = state(student)
    teacher.follow(student)
    nn.Sequential(teacher).train()
    known = state(teacher)
    first, second = (teacher(batch())["logits"] for _ in range(2))
    assert same_state(before, state(student))
    assert same_state(known, state(teacher))
    assert torch.equal(first, second)
    assert not first.requires_grad
    assert not any(module.training for module in teacher.modules())
    assert not any(each.requires_grad or each.grad is not None for each in teacher.parameters())
    assert all(each.requires_grad for each in student.parameters())


@pytest.mark.parametrize("steps", [0, 3])
def test_state_goes_round_and_the_average_goes_on_the_same(steps):
    teacher, student = followed(0.6, steps)
    other = Ema(network(seed=9), 0.6)
    other.load_state_dict(teacher.state_dict())
    wander(student, 77)
    for each in (teacher, other):
        each.follow(student)
    assert same_state(state(teacher), state(other))


def test_a_student_elsewhere_is_followed():
    """The teacher stays where it is, in its own precision."""
    student = network()
    teacher = Ema(student, 0.5).double()
    teacher.follow(student)
    assert teacher.model[0].weight.dtype == torch.float64
    around = nn.ModuleDict({"student": student, "teacher": teacher}).to("meta")
    teacher.follow(student)
    assert {value.device.type for value in around["teacher"].state_dict().values()} == {"meta"}


@pytest.mark.parametrize("decay", [1, 1.0, -0.1, "0.9", None, True, float("nan")])
def test_decay_out_of_range_is_refused(decay):
    with pytest.raises(LimbeckError, match="decay"):
        Ema(network(), decay)


def test_half_precision_in_which_small_steps_vanish_is_refused():
    with pytest.raises(LimbeckError, match=r"'0\.weight'.*float32"):
        Ema(network().bfloat16())


def test_another_network_is_refused():
    with pytest.raises(LimbeckError, match="another network"):
        Ema(network()).follow(nn.Linear(4, 3))
