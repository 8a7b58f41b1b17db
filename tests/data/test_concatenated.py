"""Several sources as one."""

import pickle

import pytest
import torch

from limbeck.data import TensorSource, Views, augmentation, open_data
from limbeck.data.concatenated import Concatenated
from limbeck.data.relabelled import Relabelled
from limbeck.data.transforms import LUMA


def images(count, channels, side, dtype=torch.uint8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, channels, side, side), generator=generator)
    inputs = pixels.to(torch.uint8) if dtype == torch.uint8 else pixels / 255
    return TensorSource(inputs, torch.arange(count))


def test_an_index_means_one_sample_of_one_source():
    sources = [images(4, 1, 8), images(3, 1, 8, seed=1), images(5, 1, 8, seed=2)]
    both = Concatenated(sources, (1, 8, 8))
    assert len(both) == 12
    assert both.targets.tolist() == [0, 1, 2, 3, 0, 1, 2, 0, 1, 2, 3, 4]
    every = torch.cat([each.inputs for each in sources])
    order = torch.randperm(12)
    assert torch.equal(both.read_many(order), every[order])
    assert all(torch.equal(both.read(index), every[index]) for index in range(12))
    assert both.read_many(torch.tensor([5, 6])).shape == (2, 1, 8, 8)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_samples_come_alike_one_by_one_and_many_at_once(dtype, channels):
    sources = [
        images(2, 1, 8),
        images(2, 3, 8, seed=1),
        images(2, 1, 8, torch.float32, 2),
        images(2, 3, 8, torch.float32, 3),
    ]
    both = Concatenated(sources, (channels, 8, 8), dtype)
    many = both.read_many(torch.arange(8))
    assert many.dtype == dtype
    for index in range(8):
        assert torch.equal(both.read(index), many[index])
    # what is as wanted already is not touched
    for number, source in enumerate(sources):
        if source.inputs.dtype == dtype and source.inputs.shape[1] == channels:
            assert torch.equal(many[2 * number : 2 * number + 2], source.inputs)


def test_colours_and_values_are_converted():
    grey, colour = images(2, 1, 8), images(2, 3, 8, seed=1)
    both = Concatenated([grey, colour], (3, 8, 8))
    assert torch.equal(both.read(1), grey.inputs[1].expand(3, 8, 8))
    weighed = (colour.inputs[0].double() * torch.tensor(LUMA).double().view(3, 1, 1)).sum(0).round()
    found = Concatenated([grey, colour], (1, 8, 8)).read(2)[0]
    assert (found.double() - weighed).abs().max() <= 1
    floats = Concatenated([grey, colour], (1, 8, 8), torch.float32)
    assert torch.allclose(floats.read(1), grey.inputs[1] / 255)
    back = Concatenated([images(2, 1, 8, torch.float32)], (1, 8, 8), torch.uint8)
    assert torch.equal(back.read(1), grey.inputs[1])


def test_views_of_the_first_source_stay_the_same(write_photos):
    """An unlabelled folder beside the data must not change what the labelled samples look like."""
    photos = open_data(f"folder:{write_photos()}", size=12)
    keys = [(3, 0), (7, 2), (0, 1)]
    for first, second, shape in (
        (images(9, 1, 8), images(4, 3, 11), (1, 8, 8)),
        (photos.source, images(4, 1, 9), photos.shape),
        (images(9, 3, 12), photos.source, (3, 12, 12)),
    ):
        both = Concatenated([first, second], shape)
        for name in ("none", "shift", "affine", "resized-crop-flip"):
            drawn = augmentation(name, shape[1:])
            before = Views(first, drawn, None, 3, shape[1:]).__getitems__(keys)
            after = Views(both, drawn, None, 3, shape[1:]).__getitems__(keys)
            assert torch.equal(before.inputs, after.inputs), name
            far = Views(both, drawn, None, 3, shape[1:]).__getitems__([*keys, (len(first) + 2, 0)])
            assert torch.equal(far.inputs[:3], before.inputs)
            assert far.inputs.shape == (4, *shape)


def test_features_lie_behind_one_another():
    one, other = TensorSource(torch.rand(3, 5), torch.rand(3)), TensorSource(torch.rand(2, 5), torch.rand(2))
    both = Concatenated([one, other], (5,), torch.float32)
    assert torch.equal(both.read_many(torch.tensor([4, 0])), torch.stack([other.inputs[1], one.inputs[0]]))


def test_marks_are_joined():
    plain = images(2, 1, 8)
    hidden = Relabelled(images(2, 1, 8), torch.zeros(2, dtype=torch.int64), torch.tensor([False, True]))
    assert Concatenated([plain, plain], (1, 8, 8)).labelled is None
    assert Concatenated([plain, hidden], (1, 8, 8)).labelled.tolist() == [True, True, False, True]


def test_fingerprint_covers_sources_their_order_and_the_shape():
    one, other = images(2, 1, 8), images(3, 1, 8)
    kinds = [
        Concatenated([one, other], (1, 8, 8)),
        Concatenated([other, one], (1, 8, 8)),
        Concatenated([one, other], (3, 8, 8)),
        Concatenated([one, other], (1, 8, 8), torch.float32),
    ]
    assert len({each.fingerprint() for each in kinds}) == 4
    again = pickle.loads(pickle.dumps(kinds[0]))
    assert again.fingerprint() == kinds[0].fingerprint()
    assert torch.equal(again.read_many(torch.arange(5)), kinds[0].read_many(torch.arange(5)))


def test_targets_that_come_with_the_samples_are_refused():
    source = images(2, 1, 8)
    source.targets = None
    with pytest.raises(ValueError, match="come with its samples"):
        Concatenated([source], (1, 8, 8))
