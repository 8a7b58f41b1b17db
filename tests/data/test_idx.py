"""MNIST's file format."""

import gzip
import struct

import pytest
import torch

from limbeck.data import open_data
from limbeck.data.idx import idx, read_idx
from limbeck.errors import LimbeckError


@pytest.mark.parametrize("zipped", [False, True])
def test_training_and_test_files(write_idx, zipped):
    write_idx("train", 200, zipped=zipped)
    path = write_idx("t10k", 50, zipped=zipped, seed=1)
    data = open_data(f"idx:{path}")
    assert (len(data.train), len(data.validation), len(data.test)) == (180, 20, 50)
    assert data.test.tolist() == list(range(200, 250))
    assert data.shape == (1, 8, 8)
    assert data.classes == tuple("0123456789")
    assert data.source.targets[data.test].tolist() == [each % 10 for each in range(50)]
    assert torch.bincount(data.source.targets[data.validation]).tolist() == [2] * 10


def test_pixels_are_those_of_the_file(write_idx):
    path = write_idx(count=20)
    raw = (path / "train-images-idx3-ubyte").read_bytes()[16:]
    data = idx(path)
    assert data.source.read(3).flatten().tolist() == list(raw[3 * 64 : 4 * 64])


def test_without_test_files_a_fifth_is_held_out(write_idx):
    data = idx(write_idx(count=200))
    assert (len(data.train), len(data.validation), len(data.test)) == (144, 16, 40)


def test_zipped_and_plain_are_the_same_data(write_idx, tmp_path):
    plain = idx(write_idx()).source.fingerprint()
    for each in list(tmp_path.iterdir()):
        (tmp_path / f"{each.name}.gz").write_bytes(gzip.compress(each.read_bytes()))
        each.unlink()
    assert idx(tmp_path).source.fingerprint() == plain


def test_names_with_a_dot(write_idx):
    path = write_idx()
    for each in list(path.iterdir()):
        each.rename(path / each.name.replace("-idx", ".idx"))
    assert len(idx(path).source) == 100


@pytest.mark.parametrize("missing", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"])
def test_a_missing_file_is_named(write_idx, missing):
    path = write_idx()
    (path / missing).unlink()
    with pytest.raises(LimbeckError, match=f"has no file {missing}"):
        idx(path)


def test_missing_test_labels_are_named(write_idx):
    write_idx("train")
    path = write_idx("t10k")
    (path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(LimbeckError, match="has no file t10k-labels-idx1-ubyte"):
        idx(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is not an idx file .* begins empty"),
        (b"GIF89a and more bytes", "is not an idx file .* 00 00 08 03, but begins 47 49 46 38"),
        (struct.pack(">4B3I", 0, 0, 8, 3, 2, 2, 2) + b"1234", "should hold 8 bytes but holds only 4"),
        (struct.pack(">4B3I", 0, 0, 8, 3, 1, 1, 1) + b"1234", "should hold 1 bytes but holds more"),
        (struct.pack(">4B3I", 0, 0, 8, 3, 2**31, 2**31, 9), "says .* more than the 8,589,934,592"),
    ],
    ids=["empty", "gif", "short", "long", "huge"],
)
def test_a_damaged_file_is_named(tmp_path, content, says):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(LimbeckError, match=f"{tmp_path / 'a'} {says}"):
        read_idx(tmp_path / "a", 3)


@pytest.mark.parametrize("keep", [5, 40])
def test_a_gzip_cut_short_is_named(write_idx, keep):
    path = write_idx(zipped=True) / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(LimbeckError, match=r"ubyte.gz cannot be read"):
        read_idx(path, 3)


def test_a_file_that_is_not_gzip_is_named(tmp_path):
    (tmp_path / "a.gz").write_bytes(b"plain text, whatever it is called")
    with pytest.raises(LimbeckError, match=r"a.gz cannot be read"):
        read_idx(tmp_path / "a.gz", 3)


def test_images_and_labels_must_agree(write_idx):
    path = write_idx(count=30)
    write_idx(count=40)
    images = (path / "train-images-idx3-ubyte").read_bytes()
    write_idx(count=30)
    (path / "train-images-idx3-ubyte").write_bytes(images)
    with pytest.raises(LimbeckError, match="has 40 train images but 30 labels"):
        idx(path)


def test_sizes_must_agree(write_idx):
    write_idx("train", side=8)
    with pytest.raises(LimbeckError, match="8×8 pixels but test images 9×9"):
        idx(write_idx("t10k", side=9))


def test_test_classes_must_occur_in_training(write_idx):
    write_idx("train", classes=5)
    with pytest.raises(LimbeckError, match="classes that its training labels have not"):
        idx(write_idx("t10k", classes=6))


def test_labels_need_not_begin_at_nought(write_idx):
    path = write_idx(classes=4)
    labels = bytearray((path / "train-labels-idx1-ubyte").read_bytes())
    labels[8:] = [each * 2 + 1 for each in labels[8:]]
    (path / "train-labels-idx1-ubyte").write_bytes(labels)
    data = idx(path)
    assert data.classes == ("1", "3", "5", "7")
    assert data.source.targets[:5].tolist() == [0, 1, 2, 3, 0]


def test_one_class_is_refused(write_idx):
    with pytest.raises(LimbeckError, match="two or more classes"):
        idx(write_idx(classes=1))
