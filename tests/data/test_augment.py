"""Augmentations by name."""

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from limbeck.data import (
    Data,
    Shift,
    TensorSource,
    augmentation,
    default_augmentation,
    open_data,
    view_seed,
)
from limbeck.errors import LimbeckError


def seeds(count):
    return np.array([view_seed(0, index, 0) for index in range(count)], dtype=np.uint64)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 5)])
def test_shift_is_torchvisions_crop_of_the_padded_image(flip, shape):
    images = torch.randint(0, 256, (40, *shape), dtype=torch.uint8)
    numbers = seeds(40)
    moved = Shift(2, flip).batched(images, numbers)
    for image, number, found in zip(images, numbers.tolist(), moved, strict=True):
        top, left = (number % 2**32) % 5, ((number >> 32) % 2**31) % 5
        expected = tv.crop(tv.pad(image, [2, 2, 2, 2]), top, left, *shape[1:])
        if flip and number >> 63:
            expected = tv.horizontal_flip(expected)
        assert torch.equal(found, expected)


def test_shift_uses_every_place_about_equally_and_flips_half():
    image = torch.zeros(1, 1, 9, 9)
    image[..., 4, 3] = 1
    moved = Shift(1, flip=True).batched(image.expand(3600, 1, 9, 9), seeds(3600))
    places = moved.flatten(1).argmax(1)
    counts = torch.bincount(places, minlength=81)
    # three rows; columns 2..4, or 4..6 when mirrored: column 4 is met both ways
    used = counts.view(9, 9)[3:6, 2:7]
    assert used.sum() == 3600
    expected = torch.tensor([200, 200, 400, 200, 200]).expand(3, 5)
    assert (used - expected).abs().max() < 80


@pytest.mark.parametrize("name", ["resized-crop-flip", "affine", "randaugment", "trivial"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 20, 31)])
def test_standard_augmentations_end_on_the_canvas(name, shape):
    image = torch.randint(0, 256, shape, dtype=torch.uint8)
    drawn = augmentation(name, (8, 8))(image)
    assert drawn.shape == (shape[0], 8, 8)
    assert drawn.dtype == torch.uint8


def test_flip_does_not_happen_in_shift():
    ramp = torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8).expand(50, 1, 8, 8)
    moved = Shift(0).batched(ramp, seeds(50))
    assert torch.equal(moved, ramp)


def test_padding_follows_the_size():
    paddings = [augmentation("shift", (side, side)).padding for side in (4, 8, 28, 32, 64)]
    assert paddings == [1, 1, 3, 4, 8]


def test_unknown_name_is_refused_with_a_hint():
    says = r"No augmentation 'shfit'; choose from 'none', .* Did you mean 'shift'\?"
    with pytest.raises(LimbeckError, match=says):
        augmentation("shfit", (8, 8))


def test_features_cannot_be_augmented():
    with pytest.raises(LimbeckError, match="is for images; use 'none'"):
        augmentation("shift", None)
    assert augmentation("none", None) is None


def test_defaults(write_photos, write_idx):
    assert default_augmentation(open_data("digits")) == "shift"
    assert default_augmentation(open_data(f"idx:{write_idx()}")) == "shift"
    assert default_augmentation(open_data(f"folder:{write_photos()}")) == "resized-crop-flip"
    assert default_augmentation(open_data("sklearn:diabetes")) == "none"
    part = torch.arange(2)
    own = Data("dataset", "regression", TensorSource(torch.rand(2, 2), part), part, part, part, None, (2,))
    assert default_augmentation(own) == "none"
