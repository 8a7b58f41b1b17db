"""A snapshot teaches what the student was, and nothing moves it but the next one."""

import copy

import pytest
import torch
from torch import nn

from limbeck import Batch, Classification, LimbeckError, Supervised
from limbeck.teachers import Snapshot, Teacher
from train.toys import same_state


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))


def batch(rows=6):
    inputs = torch.randn(rows, 4, generator=torch.Generator().manual_seed(1))
    return Batch(inputs, torch.arange(rows) % 3)


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(student, steps=3):
    """Train the student a little, batch statistics included."""
    optimizer = torch.optim.SGD(student.parameters(), 0.1)
    student.train()
    for _ in range(steps):
        optimizer.zero_grad()
        Supervised(student)(batch())["task"].backward()
        optimizer.step()
    return student


def test_is_a_teacher_and_a_module():
    teacher = Snapshot(network())
    assert isinstance(teacher, Teacher)
    assert isinstance(teacher, nn.Module)


def test_answers_as_the_student_did_when_it_was_taken():
    student = changed(network())
    teacher = Snapshot(student)
    teacher.take(student)
    expected = copy.deepcopy(student).eval()(batch().inputs)
    changed(student)
    assert torch.equal(teacher(batch())["logits"], expected)
    assert not torch.equal(student.eval()(batch().inputs), expected)


def test_takes_weights_and_buffers_of_every_kind():
    student = network()
    student.register_buffer("mask", torch.tensor([True, False]))
    student.register_buffer("hidden", torch.zeros(2), persistent=False)
    teacher = Snapshot(student)
    changed(student)
    student.mask.fill_(True)
    student.hidden.fill_(5.0)
    teacher.take(student)
    assert same_state(state(student), state(teacher.model))
    assert torch.equal(teacher.model.hidden, student.hidden)


def test_a_later_snapshot_replaces_the_earlier():
    student = network()
    teacher = Snapshot(student)
    teacher.take(student)
    changed(student)
    teacher.take(student)
    assert same_state(state(student), state(teacher.model))
    assert int(teacher.taken) == 2


def test_shares_no_memory_with_the_student():
    student = network()
    teacher = Snapshot(student)
    teacher.take(student)
    ours = {value.data_ptr() for value in teacher.state_dict().values()}
    assert not ours & {value.data_ptr() for value in student.state_dict().values()}


def test_stays_in_eval_mode_without_gradient_and_changes_nothing():
    student = network()
    teacher = Snapshot(student)
    teacher.take(student)
    before = state(teacher)
    for mode in (teacher.train, nn.Sequential(teacher).train):
        mode()
        assert not any(module.training for module in teacher.modules())
    teacher.model.train()  # somebody who reached inside
    inputs = batch().inputs.requires_grad_()
    first, second = (teacher(Batch(inputs))["logits"] for _ in range(2))
    assert torch.equal(first, second)
    assert not first.requires_grad
    assert not any(module.training for module in teacher.modules())
    assert not any(each.requires_grad or each.grad is not None for each in teacher.parameters())
    assert same_state(before, state(teacher))


def test_counts_samples_reads_its_role_and_gives_layers():
    student = network()
    teacher = Snapshot(student)
    teacher.take(student)
    both = Batch({"teacher": batch().inputs, "student": torch.zeros(6, 2)})
    outputs = teacher(both, Classification(), ["2"])
    assert teacher.forwards == 6
    assert sorted(outputs) == ["2", "logits"]
    assert torch.equal(outputs["logits"], teacher(batch())["logits"])


@pytest.mark.parametrize("takes", [0, 1])
def test_state_goes_round(takes):
    student = network()
    teacher, other = Snapshot(student), Snapshot(network(seed=9))
    for _ in range(takes):
        changed(student)
        teacher.take(student)
    other.load_state_dict(teacher.state_dict())
    assert same_state(state(teacher), state(other))
    if takes:
        assert torch.equal(other(batch())["logits"], teacher(batch())["logits"])
    else:
        with pytest.raises(LimbeckError, match="snapshot"):
            other(batch())


def test_moves_with_the_module_around_it():
    student = network()
    teacher = Snapshot(student)
    teacher.take(student)
    around = nn.ModuleDict({"student": student, "teacher": teacher}).to("meta")
    assert {value.device.type for value in around["teacher"].state_dict().values()} == {"meta"}
    assert teacher.double().model[0].weight.dtype == torch.float64


def test_asking_before_the_first_snapshot_is_refused():
    with pytest.raises(LimbeckError, match=r"before_step.*limbeck\.fit"):
        Snapshot(network())(batch())


def test_another_network_is_refused_by_the_name_that_differs():
    teacher = Snapshot(network())
    with pytest.raises(LimbeckError, match=r"'4\.weight'"):
        teacher.take(nn.Sequential(*network()[:4], nn.Linear(8, 5)))
    with pytest.raises(LimbeckError, match=r"'4\.weight'"):
        teacher.take(network()[:4])


def test_takes_modules_only():
    with pytest.raises(LimbeckError, match="student"):
        Snapshot("cnn:8")
