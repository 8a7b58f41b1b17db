"""CRD's memory against its derivation, batch after batch: what it remembers, and whom it takes for negatives."""

import pytest
import torch

import reference.contrastive as derive
from laws.samples import random
from limbeck import losses
from limbeck.types import Context

SAMPLES = 6
INDEX = torch.tensor([4, 1, 3])


def made(**settings):
    torch.manual_seed(0)
    given = {"student_channels": 5, "teacher_channels": 7, "samples": SAMPLES, "width": 4, **settings}
    return losses.CRD(**given).double()


def batch(seed=1, samples=3):
    return random(seed, (samples, 5)).double(), random(seed + 1, (samples, 7)).double()


def listed(loss):
    return {name: each.tolist() for name, each in loss.state_dict().items()}


def after(before, index, student, teacher, momentum=0.5):
    """Return what the derivation says that both memories hold after a batch."""
    embeddings = derive.embedded(student.tolist(), teacher.tolist(), before)
    memories = before["memory_student"], before["memory_teacher"]
    return [
        derive.remembered(memory, index.tolist(), rows, momentum)
        for memory, rows in zip(memories, embeddings, strict=True)
    ]


def same(found, expected):
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_training_remembers_the_batch_and_nothing_else(momentum):
    loss, (student, teacher) = made(momentum=momentum), batch()
    before = listed(loss)
    loss(student, teacher, Context(index=INDEX))
    expected = after(before, INDEX, student, teacher, momentum)
    same(loss.memory_student, expected[0])
    same(loss.memory_teacher, expected[1])
    untouched = [each for each in range(SAMPLES) if each not in INDEX]
    same(loss.memory_student[untouched], [before["memory_student"][each] for each in untouched])


def test_sample_that_comes_twice_is_remembered_by_its_mean():
    loss, (student, teacher) = made(), batch()
    before, twice = listed(loss), torch.tensor([2, 5, 2])
    loss(student, teacher, Context(index=twice))
    same(loss.memory_student, after(before, twice, student, teacher)[0])


def test_first_batch_of_training_sets_z_for_good():
    loss = made()
    for seed in (1, 3, 5):
        before, (student, teacher) = listed(loss), batch(seed)
        value = loss(student, teacher, Context(index=INDEX))
        others = [[each for each in range(SAMPLES) if each != own] for own in INDEX.tolist()]
        expected = derive.crd(student.tolist(), teacher.tolist(), INDEX.tolist(), before, others)
        assert value.item() == pytest.approx(expected, rel=1e-9)
        if before["batches"]:
            assert loss.log_z.tolist() == before["log_z"]
        else:
            assert loss.log_z.tolist() != before["log_z"]


def test_negatives_that_are_drawn_are_spread_over_all_other_samples():
    """Against all others, the mean of many draws is K times the mean of what all others add."""
    everyone, drawn = made(), made(negatives=4)
    for loss in (everyone, drawn):
        loss.eval()
        loss.batches.fill_(1)
    student, teacher = batch()
    values = []
    for seed in range(200):
        torch.manual_seed(seed)
        values.append(drawn(student, teacher, Context(index=INDEX)).item())
    before = listed(everyone)
    others = [[each for each in range(SAMPLES) if each != own] for own in INDEX.tolist()]
    expected = []
    for place in range(SAMPLES - 1):  # four draws of one other each, one other after another
        chosen = [[row[place]] * 4 for row in others]
        expected.append(derive.crd(student.tolist(), teacher.tolist(), INDEX.tolist(), before, chosen))
    mean = sum(expected) / len(expected)
    assert sum(values) / len(values) == pytest.approx(mean, rel=0.04)


@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 2]])
def test_other_classes_leave_out_samples_known_to_be_of_the_same_class(labels):
    """Samples may have other numbers of negatives; what has not been seen yet counts as another class."""
    loss, classes, known = made(negatives_from="other classes"), torch.tensor(labels), [None] * SAMPLES
    for seed, index in enumerate(([4, 1, 3], [0, 5, 1], [2, 4, 0])):
        before, (student, teacher) = listed(loss), batch(seed)
        value = loss(student, teacher, Context(index=torch.tensor(index), targets=classes[index]))
        for each in index:
            known[each] = labels[each]
        others = [[each for each in range(SAMPLES) if known[each] != labels[own]] for own in index]
        expected = derive.crd(student.tolist(), teacher.tolist(), index, before, others)
        assert value.item() == pytest.approx(expected, rel=1e-9)


def test_embedding_follows_its_sample_and_not_its_place():
    """PITFALLS 31: what is stored by place in the batch is another sample's after a shuffle."""
    one, other = made(), made()
    student, teacher = batch()
    order = torch.tensor([2, 0, 1])
    one(student, teacher, Context(index=INDEX))
    other(student[order], teacher[order], Context(index=INDEX[order]))
    torch.testing.assert_close(one.memory_student, other.memory_student)
