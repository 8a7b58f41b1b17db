"""What is special to CRD beyond the laws: its memories, and whom it compares with."""

import copy

import pytest
import torch
import torch.nn.functional as F

from laws.samples import random
from limbeck import losses
from limbeck.errors import LimbeckError
from limbeck.functional import contrastive
from limbeck.losses.negatives import other_classes, other_samples
from limbeck.types import Context

MEMORIES = "memory_student", "memory_teacher"


def built(samples=12, **settings):
    torch.manual_seed(0)
    return losses.CRD(student_channels=5, teacher_channels=7, samples=samples, width=4, **settings)


def batch(index, seed=1):
    index = torch.tensor(index)
    return random(seed, (len(index), 5)), random(seed + 1, (len(index), 7)), Context(index=index)


def embedded(loss, student, teacher):
    return F.normalize(loss.embed_student(student)), F.normalize(loss.embed_teacher(teacher))


def test_only_training_writes_and_only_the_batchs_rows():
    loss = built()
    before = {name: each.clone() for name, each in loss.named_buffers()}
    loss.eval()(*batch([3, 7]))
    assert all(torch.equal(each, before[name]) for name, each in loss.named_buffers())
    loss.train()(*batch([3, 7]))
    for name in MEMORIES:
        changed = (getattr(loss, name) != before[name]).any(1).nonzero().flatten()
        assert changed.tolist() == [3, 7]


def test_memory_moves_towards_the_embedding_and_stays_of_length_one():
    loss = built(momentum=0.25)
    old = {name: getattr(loss, name).clone() for name in MEMORIES}
    student, teacher, context = batch([3, 7])
    loss(student, teacher, context)
    for name, fresh in zip(MEMORIES, embedded(loss, student, teacher), strict=True):
        expected = F.normalize(0.25 * old[name][[3, 7]] + 0.75 * fresh)
        torch.testing.assert_close(getattr(loss, name)[[3, 7]], expected)


def test_a_sample_that_stands_in_the_batch_twice_enters_with_its_mean():
    loss = built(momentum=0)
    student, teacher, context = batch([3, 7, 3])
    loss(student, teacher, context)
    fresh = embedded(loss, student, teacher)[0]
    torch.testing.assert_close(loss.memory_student[3], F.normalize((fresh[0] + fresh[2]) / 2, dim=0))


def test_normalisers_are_set_by_the_first_training_batch_and_kept():
    loss = built()
    student, teacher, context = batch([3, 7])
    own = embedded(loss, student, teacher)[0]
    scores = (own @ loss.memory_teacher.T / 0.07).double().exp()  # all 12: each sample's own and all others
    loss(student, teacher, context)
    kept = loss.log_z.clone()
    assert kept[0].exp().item() == pytest.approx(12 * scores.mean().item(), rel=1e-4)
    loss(*batch([1, 2], seed=5))
    assert torch.equal(loss.log_z, kept)


def test_backward_is_that_of_the_memory_that_was_compared_with():
    """Gradient accumulation and several forwards in a step write the memory before the first backward."""
    loss = built()
    student, teacher, context = batch([3, 7])
    alone = copy.deepcopy(loss)
    leaf = student.clone().requires_grad_()
    alone(leaf, teacher, context).backward()
    later = student.clone().requires_grad_()
    value = loss(later, teacher, context)
    loss(*batch([3, 7, 5], seed=9))
    value.backward()
    torch.testing.assert_close(later.grad, leaf.grad)


def test_restored_state_goes_on_to_the_same_bits():
    loss = built(negatives=5)
    loss(*batch([3, 7]))
    state, generator = copy.deepcopy(loss.state_dict()), torch.get_rng_state()
    expected = loss(*batch([1, 4, 8], seed=5))
    other = built(negatives=5)
    other.load_state_dict(state)
    torch.set_rng_state(generator)
    assert torch.equal(other(*batch([1, 4, 8], seed=5)), expected)
    assert all(torch.equal(each, loss.state_dict()[name]) for name, each in other.state_dict().items())


def test_student_learns_to_tell_samples_apart_as_the_teacher_does():
    torch.manual_seed(0)
    teacher = random(2, (24, 7))
    student = random(1, (24, 5)).requires_grad_()
    loss = losses.CRD(5, 7, samples=24, width=8)
    optimizer = torch.optim.Adam([student, *loss.parameters()], 0.05)
    for _ in range(40):
        for part in torch.randperm(24).split(8):
            optimizer.zero_grad()
            loss(student[part], teacher[part], Context(index=part)).backward()
            optimizer.step()
    own, _ = embedded(loss, student, teacher)
    nearest = (own @ loss.memory_teacher.T).argmax(1)
    assert (nearest == torch.arange(24)).float().mean() > 0.9


def test_draws_are_of_others_and_uniform():
    torch.manual_seed(0)
    drawn, number = other_samples(torch.tensor([0, 4, 9]), samples=10, most=8)
    assert number.tolist() == [8, 8, 8]
    counts = torch.zeros(10)
    for _ in range(500):
        drawn, _ = other_samples(torch.tensor([4]), samples=10, most=8)
        counts += drawn[0].bincount(minlength=10)
    assert counts[4] == 0
    others = counts[counts > 0]
    assert len(others) == 9
    assert (others / others.mean() - 1).abs().max() < 0.2


def test_draws_from_other_classes_are_uniform_over_them():
    torch.manual_seed(0)
    labels = torch.tensor([1, 0, 1, 2, -1, 0, 1, 2])
    counts = torch.zeros(3, 8)
    for _ in range(500):
        drawn, _ = other_classes(torch.tensor([0, 1, 7]), labels, most=6)
        counts += torch.stack([each.bincount(minlength=8) for each in drawn])
    for row, own in zip(counts, (1, 0, 2), strict=True):
        assert (row[labels == own] == 0).all()
        others = row[labels != own]
        assert (others / others.mean() - 1).abs().max() < 0.2


def test_all_of_other_classes_where_they_are_few():
    labels = torch.tensor([1, 0, 1, 2, -1])
    excluded, number = other_classes(torch.tensor([0, 3]), labels, most=4)
    assert excluded.tolist() == [[True, False, True, False, False], [False, False, False, True, False]]
    assert number.tolist() == [3, 4]


def test_labels_are_learnt_from_training_batches():
    loss = built(negatives_from="other classes")
    student, teacher, context = batch([3, 7])
    labelled = Context(index=context.index, targets=torch.tensor([1, 0]))
    loss.eval()(student, teacher, labelled)
    assert loss.labels.tolist() == [-1] * 12
    loss.train()(student, teacher, labelled)
    assert loss.labels[[3, 7]].tolist() == [1, 0]
    with pytest.raises(LimbeckError, match="targets"):
        loss(student, teacher, context)
    with pytest.raises(LimbeckError, match="one class label"):
        loss(student, teacher, Context(index=context.index, targets=torch.full((2, 3), 1 / 3)))


@pytest.mark.parametrize(("name", "value"), [("DENSE", 0), ("HELD", 1), ("HELD", 40)])
def test_every_way_to_compute_gives_the_same(monkeypatch, name, value):
    loss = built(negatives=5).eval()

    def result():
        torch.manual_seed(3)
        student, teacher, context = batch([3, 7, 1, 0])
        leaf = student.requires_grad_()
        total = loss(leaf, teacher, context)
        return total, *torch.autograd.grad(total, [leaf, *loss.parameters()])

    expected = result()
    monkeypatch.setattr(contrastive, name, value)
    torch.testing.assert_close(result(), expected)


@pytest.mark.parametrize(
    ("index", "told"),
    [
        (None, "index"),
        (torch.tensor([3, 12]), r"samples=12.*3 to 12"),
        (torch.tensor([-1, 2]), "-1 to 2"),
        (torch.tensor([1, 2, 3]), "one whole number for each sample"),
        (torch.tensor([1.0, 2.0]), "whole number"),
    ],
)
def test_index_that_is_missing_or_wrong_is_refused(index, told):
    student, teacher, _ = batch([0, 1])
    with pytest.raises(LimbeckError, match=told):
        built()(student, teacher, Context(index=index))


def test_maps_and_wrong_choices_are_refused():
    with pytest.raises(LimbeckError, match="vectors"):
        built()(torch.zeros(2, 5, 4, 4), torch.zeros(2, 7), Context(index=torch.tensor([0, 1])))
    with pytest.raises(LimbeckError, match="negatives_from"):
        built(negatives_from="labels")
    with pytest.raises(LimbeckError, match="samples"):
        built(samples=1)


def test_a_part_of_a_larger_set_is_given_by_its_indices():
    """Memories have a row for each sample of the part, and no other: noise would stand for samples never seen."""

    def loss(samples):
        torch.manual_seed(0)
        return losses.CRD(4, 6, samples, width=3, negatives=2)

    part = loss(torch.tensor([90, 10, 50, 30, 70]))
    assert part.memory_student.shape == (5, 3)
    whole = loss(5)
    features = torch.randn(2, 4), torch.randn(2, 6)
    torch.manual_seed(1)
    one = part(*features, Context(index=torch.tensor([10, 70])))
    torch.manual_seed(1)
    assert one.item() == whole(*features, Context(index=torch.tensor([1, 4]))).item()
    for outside in (11, 91, -1):
        with pytest.raises(LimbeckError, match="list of their indices"):
            part(*features, Context(index=torch.tensor([10, outside])))
    with pytest.raises(LimbeckError, match="samples"):
        loss([3])
