"""Any torch data set."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from limbeck.data import TensorSource, Views, dataset_data
from limbeck.data.labels import known_labels
from limbeck.errors import LimbeckError


class Listed(Dataset):
    """Pairs in a list; counts how often it is read."""

    def __init__(self, pairs, **attributes):
        self.pairs = pairs
        self.reads = 0
        for name, value in attributes.items():
            setattr(self, name, value)

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        self.reads += 1
        return self.pairs[index]


def photos(count=20, side=9, mode="RGB"):
    return Listed([(Image.new(mode, (side, side + 2), each * 9), each % 2) for each in range(count)])


def test_tensors_are_read_a_batch_at_once():
    images = torch.randint(0, 256, (40, 3, 8, 8), dtype=torch.uint8)
    train, test = TensorDataset(images, torch.arange(40) % 4), TensorDataset(images[:8], torch.arange(8) % 4)
    data = dataset_data(train, test=test)
    assert isinstance(data.source, TensorSource)
    assert len(data.source) == 48
    assert data.test.tolist() == list(range(40, 48))
    assert (len(data.train), len(data.validation)) == (32, 8)
    assert data.shape == (3, 8, 8)


def test_three_parts_are_kept():
    parts = [TensorDataset(torch.rand(count, 5), torch.rand(count)) for count in (10, 4, 6)]
    data = dataset_data(*parts)
    assert [len(each) for each in (data.train, data.validation, data.test)] == [10, 4, 6]
    assert data.task == "regression"
    assert torch.equal(data.source.read_many(data.validation), parts[1].tensors[0])


def test_loaders_give_their_data_sets():
    pairs = TensorDataset(torch.rand(40, 5), torch.arange(40) % 2)
    data = dataset_data(DataLoader(pairs, batch_size=3, shuffle=True))
    assert len(data.source) == 40
    assert isinstance(data.source, TensorSource)


def test_pillow_images():
    data = dataset_data(photos())
    assert data.shape == (3, 11, 9)
    batch = Views.plain(data).__getitems__([(3, 0), (4, 0)])
    assert batch.inputs.dtype == torch.uint8
    assert batch.inputs[0].unique().tolist() == [0, 27]
    assert batch.targets.tolist() == [1, 0]
    assert dataset_data(photos(mode="L")).shape == (1, 11, 9)


def test_images_of_many_sizes_get_a_canvas():
    pairs = Listed([(Image.new("RGB", (20 + each, 40)), each % 2) for each in range(9)])
    assert dataset_data(pairs).shape == (3, 24, 24)
    data = dataset_data(pairs, size=10)
    assert Views.plain(data).__getitems__([(0, 0), (8, 0)]).inputs.shape == (2, 3, 10, 10)


@pytest.mark.parametrize(
    ("x", "shape"),
    [
        (np.zeros((4, 5, 3), np.uint8), (3, 4, 5)),
        (np.zeros((4, 5), np.uint8), (1, 4, 5)),
        (np.zeros(7), (7,)),
        (torch.zeros(3, 4, 5, dtype=torch.float64), (3, 4, 5)),
        (torch.zeros(2, 6), (2, 6)),
    ],
)
def test_arrays_and_tensors(x, shape):
    data = dataset_data(Listed([(x, each % 2) for each in range(12)]))
    assert data.shape == shape
    assert data.source.read(0).shape == shape
    assert data.source.read(0).dtype in (torch.uint8, torch.float32)


@pytest.mark.parametrize(
    ("targets", "task"),
    [
        ([0, 1] * 6, "classification"),
        ([np.int64(0), np.int64(1)] * 6, "classification"),
        ([torch.tensor(0), torch.tensor([1])] * 6, "classification"),
        ([True, False] * 6, "classification"),
        ([0.5, 1] * 6, "regression"),
        ([np.float32(0.5), torch.tensor(2.0)] * 6, "regression"),
    ],
)
def test_the_task_follows_from_the_targets(targets, task):
    data = dataset_data(Listed([(torch.rand(3), y) for y in targets]))
    assert data.task == task
    assert data.source.targets.dtype == (torch.int64 if task == "classification" else torch.float32)


def test_whole_numbers_may_be_values():
    data = dataset_data(Listed([(torch.rand(3), each * 10) for each in range(12)]), task="regression")
    assert data.source.targets.dtype == torch.float32
    assert data.classes is None


def test_class_names():
    pairs = [(torch.rand(3), each % 3) for each in range(12)]
    assert dataset_data(Listed(pairs)).classes == ("0", "1", "2")
    own = Listed(pairs, classes=["a", "b", "c"])
    assert dataset_data(own).classes == ("a", "b", "c")
    assert dataset_data(Subset(own, range(12))).classes == ("a", "b", "c")
    assert dataset_data(own, classes=["x", "y", "z"]).classes == ("x", "y", "z")


def test_targets_are_taken_without_reading_the_samples():
    pairs = Listed(
        [(torch.rand(3), each % 3) for each in range(300)], targets=[each % 3 for each in range(300)]
    )
    assert list(known_labels(pairs)) == pairs.targets
    assert pairs.reads < 10


@pytest.mark.parametrize("claimed", [[2] * 30, ["a"] * 30, [0, 1, 2], None, "x" * 30])
def test_an_attribute_that_disagrees_is_not_believed(claimed):
    pairs = Listed([(torch.rand(3), each % 3) for each in range(30)], targets=claimed)
    assert list(known_labels(pairs)) == [each % 3 for each in range(30)]


def test_labels_of_subsets_and_joined_sets():
    first = TensorDataset(torch.rand(4, 2), torch.tensor([5, 6, 7, 8]))
    second = Listed([(torch.rand(2), 1), (torch.rand(2), 2)])
    joined = ConcatDataset([Subset(first, [3, 1]), second])
    assert [int(each) for each in known_labels(joined)] == [8, 6, 1, 2]


def boxes(count=10):
    """Images with lists of boxes, as detection has them; a random flip moves both."""

    class Boxes(Dataset):
        def __len__(self):
            return count

        def __getitem__(self, index):
            mirrored = torch.rand(()) < 0.5
            left = 6.0 if mirrored else 1.0
            x = torch.zeros(1, 8, 8)
            x[0, 2, int(left)] = 1
            return x, {"boxes": torch.tensor([[left, 2, left + 1, 3]] * (index % 3)), "id": index}

    return Boxes()


def test_other_targets_come_with_their_samples():
    def together(pairs):
        return torch.stack([x for x, _ in pairs]), [y for _, y in pairs]

    data = dataset_data(boxes(), collate_fn=together)
    assert data.task == "other"
    assert data.canvas is None
    views = Views.plain(data)
    keys = [(index, view) for index in (1, 2, 4, 5) for view in range(4)]
    batch = views.__getitems__(keys)
    assert [each["id"] for each in batch.targets] == [index for index, _ in keys]
    for x, y in zip(batch.inputs, batch.targets, strict=True):
        assert x[0, 2].argmax() == y["boxes"][0, 0]  # the boxes are those of this very draw
    assert len({float(y["boxes"][0, 0]) for y in batch.targets}) == 2
    again = views.__getitems__(keys[::-1])
    assert torch.equal(again.inputs.flip(0), batch.inputs)


def test_a_collate_function_may_return_anything():
    pairs = Listed([({"text": "a" * each}, each % 2) for each in range(12)])
    data = dataset_data(
        pairs, collate_fn=lambda pairs: ([x["text"] for x, _ in pairs], [y for _, y in pairs])
    )
    batch = Views.plain(data).__getitems__([(2, 0), (3, 0)])
    assert batch.inputs == ["aa", "aaa"]
    assert batch.targets == [0, 1]
    assert len(data.fingerprint()) == 64


def test_the_collate_function_of_a_loader_is_kept():
    def together(pairs):
        return torch.stack([x for x, _ in pairs]), [y for _, y in pairs]

    assert dataset_data(DataLoader(boxes(), collate_fn=together)).source.collate_fn is together


def test_fingerprint_is_the_contents_own():
    def made(last):
        return dataset_data(Listed([(torch.full((3,), 1.0 * each), each % 2) for each in range(11)] + [last]))

    base = made((torch.ones(3), 1)).fingerprint()
    assert made((torch.ones(3), 1)).fingerprint() == base
    assert made((torch.zeros(3), 1)).fingerprint() != base
    assert made((torch.ones(3), 0)).fingerprint() != base


def test_fingerprint_of_random_transforms_is_stable():
    assert (
        dataset_data(boxes(), collate_fn=list).fingerprint()
        == dataset_data(boxes(), collate_fn=list).fingerprint()
    )


def test_opening_leaves_the_global_generators_alone():
    before = torch.get_rng_state()
    dataset_data(boxes(), collate_fn=list).fingerprint()
    assert torch.equal(torch.get_rng_state(), before)


def test_normalised_images_are_noted():
    pairs = Listed([(torch.randn(1, 4, 4) * 2, each % 2) for each in range(12)])
    assert "values outside 0..1" in dataset_data(pairs).notes[0]
    pairs = Listed([(torch.rand(1, 4, 4), each % 2) for each in range(12)])
    assert dataset_data(pairs).notes == ()


def test_a_class_that_only_validation_has_is_told():
    x, y = torch.rand(30, 1, 4, 4), torch.arange(30) % 3
    train, rest = TensorDataset(x[y < 2], y[y < 2]), TensorDataset(x, y)
    data = dataset_data(train, rest, rest, classes=["a", "b", "c"])
    assert data.notes == ("The training part has no sample of c: only a teacher can tell of it.",)
    with pytest.raises(LimbeckError, match=r"Class 'c' of .* has 0 samples"):
        dataset_data(train, None, rest, classes=["a", "b", "c"])


def test_limit():
    data = dataset_data(TensorDataset(torch.rand(40, 5), torch.arange(40) % 2), limit=6)
    assert len(data.train) == 6


class Endless(IterableDataset):
    def __iter__(self):
        yield torch.rand(3), 0


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        (Endless(), "Endless, which cannot be read by index: give a map-style Dataset"),
        (Listed([]), "is empty"),
        (Listed([(torch.rand(2), 0, 1)] * 9), "must give .x, y. pairs, but Listed gives 3 things"),
        (Listed([torch.rand(2)] * 9), "must give .x, y. pairs, but Listed gives Tensor"),
        (Listed([("text", each % 2) for each in range(9)]), "gives str: pass collate_fn"),
        (
            Listed([(torch.rand(2), -1), (torch.rand(2), 0)] * 9),
            "must begin at 0, but .* a target -1",
        ),
        (Listed([(torch.rand(2), 0)] * 9), "two or more classes"),
        (Listed([(torch.rand(2), 0)] * 9 + [(torch.rand(2), 2)] * 9), "Class '1' of dataset has 0 samples"),
    ],
)
def test_bad_data_sets_are_refused(pairs, says):
    with pytest.raises(LimbeckError, match=says):
        dataset_data(pairs)


def test_too_few_class_names_are_refused():
    with pytest.raises(LimbeckError, match="There are 1 class names, but the data has a target 1"):
        dataset_data(TensorDataset(torch.rand(9, 2), torch.arange(9) % 2), classes=["a"])


def test_a_task_that_does_not_suit_is_refused():
    with pytest.raises(LimbeckError, match="The task is regression, but the targets are not single numbers"):
        dataset_data(boxes(), task="regression")


def test_shapes_that_do_not_stack_are_refused():
    data = dataset_data(Listed([(torch.rand(2 + each % 2), each % 2) for each in range(12)]))
    with pytest.raises(LimbeckError, match=r"shapes \(2,\) and \(3,\) do not stack"):
        Views.plain(data).__getitems__([(0, 0), (1, 0)])
