"""Other labels on the same samples, and labels that must not be seen."""

import pickle

import pytest
import torch
from torch.utils.data import Dataset

from limbeck.data import TensorSource, Views, augmentation, dataset_data
from limbeck.data.relabelled import Relabelled
from limbeck.types import Batch

KEYS = [(index, view) for index in range(6) for view in (0, 1)]
MARKS = torch.tensor([True, False, True, False, False, True])


class Pairs(Dataset):
    """Draws as it reads; its targets are tensors."""

    def __init__(self, targets):
        self.targets = targets

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        return torch.rand(1, 8, 8) + index, self.targets[index]


def collate(pairs):
    return torch.stack([x for x, _ in pairs]), torch.stack([torch.as_tensor(y) for _, y in pairs])


def sources(targets):
    """Every way in which a target can come with a sample."""
    pixels = torch.arange(6 * 64).view(6, 1, 8, 8).to(torch.uint8)
    yield TensorSource(pixels, targets)
    yield dataset_data(
        [(pixels[k], int(targets[k])) for k in range(6)], [(pixels[0], 0)], [(pixels[0], 0)]
    ).source
    yield dataset_data(Pairs(targets), Pairs(targets), Pairs(targets), collate_fn=collate).source
    plain = [(pixels[k], int(targets[k])) for k in range(6)]
    yield dataset_data(plain, plain, plain, collate_fn=collate).source


def batches(source):
    for augment in (None, augmentation("shift", (8, 8)), augmentation("affine", (8, 8)), torch.Tensor.clone):
        for mapping in (augment, {"student": augment, "teacher": None}):
            yield Views(source, mapping, None, seed=1).__getitems__(KEYS)


def same(one: Batch, other: Batch) -> bool:
    def equal(a, b):
        return all(map(torch.equal, a.values(), b.values())) if isinstance(a, dict) else torch.equal(a, b)

    return all(equal(getattr(one, each), getattr(other, each)) for each in ("inputs", "targets", "labelled"))


def test_no_batch_depends_on_a_hidden_label():
    """The strongest form of 'no leak': with any other label in the hidden places, every bit stays the same."""
    truth = torch.tensor([0, 1, 2, 1, 2, 1])
    lies = torch.where(MARKS, truth, torch.tensor([9, 0, 9, 2, 0, 9]))
    for told, lied in zip(sources(truth), sources(lies), strict=True):
        marks = torch.cat([MARKS, torch.ones(len(told) - 6, dtype=torch.bool)])
        first = batches(Relabelled(told, told.targets, marks))
        second = batches(Relabelled(lied, lied.targets, marks))
        for one, other in zip(first, second, strict=True):
            assert same(one, other)
            assert one.labelled.tolist() == [bool(MARKS[index]) for index, _ in KEYS]
            assert one.targets[~one.labelled].unique().tolist() == [0]
            assert one.targets[one.labelled].tolist() == [int(truth[i]) for i, _ in KEYS if MARKS[i]]


def test_the_hiding_test_can_fail():
    truth = torch.tensor([0, 1, 2, 1, 2, 1])
    one, other = (
        Views(TensorSource(torch.zeros(6, 1), truth)),
        Views(TensorSource(torch.zeros(6, 1), truth * 0)),
    )
    assert not torch.equal(one.__getitems__(KEYS).targets, other.__getitems__(KEYS).targets)
    assert one.__getitems__(KEYS).labelled is None


def test_samples_and_their_views_stay_the_same():
    for source in sources(torch.tensor([0, 1, 2, 1, 2, 1])):
        seen = batches(Relabelled(source, source.targets + 1))
        for before, after in zip(batches(source), seen, strict=True):
            if isinstance(before.inputs, dict):
                assert all(torch.equal(before.inputs[each], after.inputs[each]) for each in before.inputs)
            else:
                assert torch.equal(before.inputs, after.inputs)
            assert torch.equal(before.targets + 1, after.targets)


def test_values_can_be_hidden_too():
    source = Relabelled(TensorSource(torch.rand(6, 2), torch.rand(6)), torch.rand(6) + 1, MARKS)
    assert source.targets.dtype == torch.float32
    assert (source.targets == 0).tolist() == (~MARKS).tolist()


def test_marks_of_a_source_within_are_kept():
    inner = Relabelled(TensorSource(torch.rand(6, 2), torch.arange(6)), torch.arange(6), MARKS)
    assert Relabelled(inner, inner.targets + 1).targets.tolist() == [1, 0, 3, 0, 0, 6]


def test_fingerprint_covers_labels_and_marks():
    source = TensorSource(torch.zeros(6, 2), torch.zeros(6, dtype=torch.int64))
    kinds = [
        source,
        Relabelled(source, torch.arange(6)),
        Relabelled(source, source.targets, MARKS),
        Relabelled(source, source.targets, ~MARKS),
    ]
    assert len({each.fingerprint() for each in kinds}) == 4
    again = Relabelled(
        TensorSource(torch.zeros(6, 2), torch.zeros(6, dtype=torch.int64)), source.targets, MARKS
    )
    assert again.fingerprint() == kinds[2].fingerprint()


def test_it_can_be_pickled():
    for source in sources(torch.tensor([0, 1, 2, 1, 2, 1])):
        if getattr(source, "collate_fn", None) is None:
            made = Relabelled(source, source.targets, torch.arange(len(source)) % 2 == 0)
            again = pickle.loads(pickle.dumps(made))
            assert torch.equal(again.targets, made.targets)
            assert torch.equal(Views(again)[(1, 0)].inputs, Views(made)[(1, 0)].inputs)


def test_numbers_must_agree():
    source = TensorSource(torch.zeros(6, 2), torch.zeros(6))
    with pytest.raises(ValueError, match="6 samples, but 5 targets"):
        Relabelled(source, torch.zeros(5))
    with pytest.raises(ValueError, match="do not agree"):
        Relabelled(source, torch.zeros(6), MARKS[:4])
