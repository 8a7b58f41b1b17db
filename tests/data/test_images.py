"""One image file."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from limbeck.data import images
from limbeck.data.images import check, decode, image_tensor
from limbeck.errors import LimbeckError

NOISE = np.random.default_rng(0).integers(0, 256, (60, 50, 3), dtype=np.uint8)


def encoded(kind, **options):
    file = io.BytesIO()
    Image.fromarray(NOISE).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["png", "bmp", "gif", "webp", "tiff", "jpeg"])
def test_reads_the_usual_kinds(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    path.write_bytes(encoded(kind))
    assert check(path) == (False, 60, 50)
    pixels = decode(path, grey=False)
    assert pixels.shape == (3, 60, 50)
    assert pixels.dtype == torch.uint8
    if kind in ("png", "bmp", "tiff"):
        assert torch.equal(pixels, torch.from_numpy(NOISE).permute(2, 0, 1))
    assert decode(path, grey=True).shape == (1, 60, 50)


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp", "bmp"])
@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.95])
def test_a_file_cut_short_is_named_when_it_is_checked(tmp_path, kind, keep):
    content = encoded(kind)
    path = tmp_path / f"a.{kind}"
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(LimbeckError, match=rf"a.{kind} cannot be read as an image \(.*--skip-bad"):
        check(path)


def test_a_file_damaged_in_the_middle_is_named_when_it_is_read(tmp_path):
    content = bytearray(encoded("png"))
    content[len(content) // 2 : len(content) // 2 + 400] = bytes(400)
    path = tmp_path / "a.png"
    path.write_bytes(content)
    check(path)
    with pytest.raises(LimbeckError, match=r"a.png cannot be read"):
        decode(path, grey=False)
    with pytest.raises(LimbeckError, match=r"a.png cannot be read"):
        check(path, whole=True)


def test_text_is_no_image(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_text("hello")
    with pytest.raises(LimbeckError) as caught:
        check(path)
    assert str(caught.value).count(str(path)) == 1


@pytest.mark.parametrize("side", [9_000, 20_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path, side):
    path = tmp_path / "bomb.png"
    Image.new("1", (side, side)).save(path)
    assert path.stat().st_size < 200_000
    with pytest.raises(
        LimbeckError, match=r"bomb.png has .*(pixels, above|more pixels than) the 64,000,000 allowed"
    ):
        check(path)
    with pytest.raises(LimbeckError, match="64,000,000"):
        decode(path, grey=True)


def test_a_large_photograph_is_not_a_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MOST_PIXELS", 3000)
    path = tmp_path / "a.png"
    path.write_bytes(encoded("png"))
    assert check(path) == (False, 60, 50)
    monkeypatch.setattr(images, "MOST_PIXELS", 2999)
    with pytest.raises(LimbeckError, match=r"has 60×50 pixels, above the 2,999"):
        check(path)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
@pytest.mark.parametrize("grey", [False, True])
def test_every_mode_becomes_grey_or_rgb(mode, grey):
    pixels = image_tensor(Image.new(mode, (5, 4)), grey)
    assert pixels.shape == (1 if grey else 3, 4, 5)
    assert pixels.dtype == torch.uint8


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    path = tmp_path / "deep.png"
    Image.fromarray(np.array([[0, 256, 32768, 65535]], dtype=np.uint16)).save(path)
    assert check(path)[0]
    assert decode(path, grey=True).flatten().tolist() == [0, 1, 128, 255]


def test_a_transparent_palette_gives_no_warning(tmp_path, recwarn):
    image = Image.fromarray(NOISE).convert("P")
    image.info["transparency"] = bytes([0] * 10)
    assert image_tensor(image, grey=False).shape == (3, 60, 50)
    assert not recwarn.list


def test_a_photograph_is_turned_as_its_camera_noted(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter to the right
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded("jpeg", exif=exif))
    assert decode(path, grey=False).shape == (3, 50, 60)
