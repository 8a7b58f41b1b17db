"""Any view can be drawn again: in any batch, order, worker and process."""

import hashlib
import pickle
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from limbeck.data import (
    AUGMENTATIONS,
    InputTransform,
    TensorSource,
    Views,
    augmentation,
    dataset_data,
    open_data,
    view_seed,
)
from limbeck.errors import LimbeckError

GREY = InputTransform(None, 1, (0.5,), (0.25,))
RGB = InputTransform((12, 12), 3, (0.5, 0.4, 0.3), (0.2, 0.2, 0.2))
KEYS = [(index, view) for index in (0, 3, 7, 19, 2) for view in (0, 1, 5)]


def noisy(image):
    """A person's own augmentation, which draws from all three global generators."""
    level = torch.rand(()) * random.random() * np.random.random()
    return (image.float() * level).to(torch.uint8)


class Scribbles(Dataset):
    """A data set whose own transform is random."""

    def __len__(self):
        return 20

    def __getitem__(self, index):
        return torch.rand(1, 8, 8) * random.random() + index / 20, index % 2


def images(count=20, side=8):
    pixels = torch.randint(0, 256, (count, 1, side, side), generator=torch.Generator().manual_seed(1))
    return TensorSource(pixels.to(torch.uint8), torch.arange(count) % 3)


def keep(batch):
    return batch


def loaded(views, batches, workers):
    """Return {key: input} as a DataLoader reads them."""
    loader = DataLoader(views, batch_sampler=batches, collate_fn=keep, num_workers=workers)
    found = {}
    for batch in loader:
        keys = zip(batch.index.tolist(), batch.view.tolist(), strict=True)
        for key, sample in zip(keys, batch.inputs, strict=True):
            found[key] = sample
    return found


def in_batches(keys, size, order_seed):
    keys = random.Random(order_seed).sample(keys, len(keys))
    return [keys[start : start + size] for start in range(0, len(keys), size)]


def one_by_one(views):
    return {key: views[key].inputs[0] for key in KEYS}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for key, sample in expected.items():
        assert torch.equal(found[key], sample), key


def every_kind(write_photos):
    for name in AUGMENTATIONS:
        yield name, Views(images(), augmentation(name, (8, 8)), RGB, seed=3)
    yield "own", Views(images(), noisy, GREY, seed=3)
    photos = open_data(f"folder:{write_photos()}", size=16)
    for name in ("none", "shift", "resized-crop-flip", "affine"):
        augment = augmentation(name, photos.canvas)
        yield f"folder {name}", Views(photos.source, augment, RGB, seed=3, canvas=photos.canvas)
    scribbles = dataset_data(Scribbles())
    yield "data set", Views(scribbles.source, None, GREY, seed=3)
    yield "data set, shifted", Views(scribbles.source, augmentation("shift", (8, 8)), GREY, seed=3)


def test_a_view_does_not_depend_on_batch_or_order(write_photos):
    for name, views in every_kind(write_photos):
        expected = one_by_one(views)
        for size, order in ((1, 1), (4, 2), (7, 3), (15, 4)):
            try:
                assert_same(loaded(views, in_batches(KEYS, size, order), workers=0), expected)
            except AssertionError as error:
                raise AssertionError(f"{name}, batches of {size}") from error


def test_a_view_does_not_depend_on_workers(write_photos):
    for name, views in every_kind(write_photos):
        if name in ("shift", "affine", "own", "folder resized-crop-flip", "data set"):
            assert_same(loaded(views, in_batches(KEYS, 4, 5), workers=2), one_by_one(views))


PROCESS = """
import hashlib, random, sys, torch
from limbeck.data import TensorSource, Views, augmentation

def own(image):
    return image.float() * torch.rand(()) * random.random()

source = TensorSource(torch.arange(256, dtype=torch.uint8).view(4, 1, 8, 8), torch.zeros(4))
for augment in (augmentation("crop-flip", (8, 8)), own):
    batch = Views(source, augment, None, seed=7).__getitems__([(2, 2), (3, 1), (2, 3)])
    print(hashlib.sha256(batch.inputs.numpy().tobytes()).hexdigest())
print(Views(source, augmentation("crop-flip", (8, 8)), None, seed=7).fingerprint())
"""


def test_a_view_does_not_depend_on_the_process(capsys):
    command = [sys.executable, "-W", "ignore", "-c", PROCESS]
    elsewhere = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    exec(PROCESS, {"__name__": "here"})
    assert capsys.readouterr().out == elsewhere
    assert len(elsewhere.splitlines()) == 3


def test_global_generators_are_left_as_they_were(write_photos):
    for name, views in every_kind(write_photos):
        torch.manual_seed(11)
        random.seed(12)
        np.random.seed(13)
        before = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist())
        views.__getitems__(KEYS)
        assert torch.equal(torch.get_rng_state(), before[0]), name
        assert random.getstate() == before[1], name
        assert np.random.get_state()[1].tolist() == before[2], name


def test_generators_are_restored_when_reading_fails():
    def failing(image):
        torch.rand(3)
        raise RuntimeError("no")

    before = torch.get_rng_state()
    with pytest.raises(RuntimeError):
        Views(images(), failing)[(0, 0)]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", [each for each in AUGMENTATIONS if each != "none"])
def test_views_and_seeds_differ(name):
    source = images(side=16)

    def drawn(seed, view):
        keys = [(index, view) for index in range(20)]
        return Views(source, augmentation(name, (16, 16)), None, seed).__getitems__(keys).inputs

    assert not torch.equal(drawn(0, 0), drawn(0, 1))
    assert not torch.equal(drawn(0, 0), drawn(1, 0))
    assert drawn(0, 0).dtype == torch.uint8
    assert drawn(0, 0).shape == source.inputs.shape


def test_view_seed_is_frozen():
    """Kept outputs are found by these numbers: a change makes every cache on every disk wrong."""
    assert view_seed(0, 0, 0) == 2891389769238885931
    assert view_seed(1, 2, 3) == 13041116711478803063
    assert view_seed(-1, 2, 3) == view_seed(2**64 - 1, 2, 3)


def test_view_seeds_do_not_collide_and_spread():
    seeds = np.array([view_seed(s, i, v) for s in range(4) for i in range(50) for v in range(50)], np.uint64)
    assert len(np.unique(seeds)) == len(seeds)
    for shift in (0, 32, 63):
        ones = ((seeds >> np.uint64(shift)) & np.uint64(1)).mean()
        assert abs(ones - 0.5) < 0.02


def test_shifted_view_is_frozen():
    source = TensorSource(torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8), torch.zeros(1))
    batch = Views(source, augmentation("crop-flip", (8, 8)), seed=0).__getitems__(
        [(0, view) for view in range(8)]
    )
    assert hashlib.sha256(batch.inputs.numpy().tobytes()).hexdigest()[:16] == "7c164eca5bca9c27"


def test_each_role_gets_its_own_transform_of_the_same_draw():
    wide = InputTransform((16, 16), 1, (0.0,), (1.0,))
    views = Views(images(), augmentation("shift", (8, 8)), {"teacher": wide, "student": GREY}, seed=1)
    batch = views.__getitems__(KEYS)
    drawn = Views(images(), augmentation("shift", (8, 8)), None, seed=1).__getitems__(KEYS).inputs
    assert torch.equal(batch.inputs_for("teacher"), wide(drawn))
    assert torch.equal(batch.inputs_for("student"), GREY(drawn))


def test_equal_transforms_share_one_tensor():
    same = InputTransform(None, 1, (0.5,), (0.25,))
    batch = Views(images(), None, {"teacher": same, "student": GREY}).__getitems__(KEYS)
    assert isinstance(batch.inputs, torch.Tensor)


def test_batch_carries_index_view_and_targets():
    source = images()
    batch = Views(source, None, GREY).__getitems__([(4, 9), (4, 2), (1, 0)])
    assert batch.index.tolist() == [4, 4, 1]
    assert batch.view.tolist() == [9, 2, 0]
    assert torch.equal(batch.targets, source.targets[[4, 4, 1]])
    assert torch.equal(batch.inputs, GREY(source.inputs[[4, 4, 1]]))


def test_one_sample_at_a_time_equals_a_batch_of_one():
    views = Views(images(), augmentation("shift", (8, 8)), GREY)
    assert torch.equal(views[(3, 1)].inputs, views.__getitems__([(3, 1)]).inputs)


def test_plain_views_are_on_the_canvas_and_not_augmented(write_photos):
    data = open_data(f"folder:{write_photos()}", size=10)
    views = Views.plain(data, RGB)
    assert torch.equal(views[(3, 0)].inputs, views[(3, 8)].inputs)
    assert Views.plain(data)[(3, 0)].inputs.shape == (1, 3, 10, 10)


def test_views_can_be_pickled():
    views = Views(images(), augmentation("affine", (8, 8)), {"a": GREY, "b": RGB}, seed=2)
    views.__getitems__(KEYS)
    again = pickle.loads(pickle.dumps(views))
    assert torch.equal(again[(3, 1)].inputs["b"], views[(3, 1)].inputs["b"])
    assert again.fingerprint() == views.fingerprint()


def test_fingerprint_covers_all_that_decides_a_view():
    source, shift = images(), augmentation("shift", (8, 8))
    base = Views(source, shift, GREY, 0, (8, 8)).fingerprint()
    assert Views(images(), augmentation("shift", (8, 8)), GREY, 0, (8, 8)).fingerprint() == base
    others = [
        Views(images(19), shift, GREY, 0, (8, 8)),
        Views(source, None, GREY, 0, (8, 8)),
        Views(source, augmentation("crop-flip", (8, 8)), GREY, 0, (8, 8)),
        Views(source, augmentation("affine", (8, 8)), GREY, 0, (8, 8)),
        Views(source, noisy, GREY, 0, (8, 8)),
        Views(source, keep, GREY, 0, (8, 8)),
        Views(source, shift, RGB, 0, (8, 8)),
        Views(source, shift, {"teacher": GREY}, 0, (8, 8)),
        Views(source, shift, GREY, 1, (8, 8)),
        Views(source, shift, GREY, 0, (6, 6)),
    ]
    assert len({base, *(each.fingerprint() for each in others)}) == len(others) + 1


def test_an_augmentation_that_works_in_place_leaves_the_source_alone():
    source = images()
    before = source.fingerprint()
    Views(source, torch.Tensor.zero_).__getitems__(KEYS)
    Views(source, None, torch.Tensor.zero_).__getitems__(KEYS)
    assert TensorSource(source.inputs, source.targets).fingerprint() == before


def test_samples_that_do_not_stack_are_refused(write_photos):
    data = open_data(f"folder:{write_photos()}")
    with pytest.raises(LimbeckError, match=r"shapes .* do not stack"):
        Views(data.source).__getitems__([(0, 0), (1, 0)])
