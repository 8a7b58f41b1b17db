"""Images of many sizes on one canvas."""

import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from limbeck.data.canvas import framed


@pytest.mark.parametrize("size", [(20, 40), (40, 20), (10, 30), (9, 9), (8, 100)])
def test_is_torchvisions_resize_and_centre_crop(size):
    image = torch.rand(3, *size)
    shorter = tv.resize(image, [12], antialias=True)
    expected = tv.center_crop(shorter, [12, 12])
    found = framed(image, (12, 12))
    assert found.shape == (3, 12, 12)
    # torchvision truncates the longer side where we round it: at most a pixel's difference in scale
    if shorter.shape[1:] == tuple(round(side * 12 / min(size)) for side in size):
        torch.testing.assert_close(found, expected)


def test_canvas_need_not_be_square():
    assert framed(torch.zeros(1, 50, 50), (10, 20)).shape == (1, 10, 20)
    assert framed(torch.zeros(2, 1, 5, 5, dtype=torch.uint8), (10, 20)).shape == (2, 1, 10, 20)


def test_leaves_alone_what_fits_or_is_no_image():
    image, features = torch.rand(3, 8, 8), torch.rand(5)
    assert framed(image, (8, 8)) is image
    assert framed(image, None) is image
    assert framed(features, (8, 8)) is features


def test_one_image_equals_itself_in_a_batch():
    images = torch.randint(0, 256, (7, 3, 30, 20), dtype=torch.uint8)
    together = framed(images, (12, 16))
    assert all(
        torch.equal(framed(each, (12, 16)), found) for each, found in zip(images, together, strict=True)
    )
