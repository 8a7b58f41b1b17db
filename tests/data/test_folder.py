"""A folder for each class."""

import os

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from limbeck.data import Views, open_data
from limbeck.data.folder import folder
from limbeck.errors import LimbeckError


def sizes(data):
    return len(data.train), len(data.validation), len(data.test)


def test_unsplit_images_are_divided_by_class(write_photos):
    data = folder(write_photos(count=20))
    assert sizes(data) == (26, 6, 8)
    for part in (data.train, data.validation, data.test):
        assert torch.bincount(data.source.targets[part]).tolist() == [len(part) // 2] * 2
    everything = torch.cat([data.train, data.validation, data.test]).sort().values
    assert torch.equal(everything, torch.arange(40))


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "Validation", "Testing")])
def test_split_folders_are_kept(write_photos, names):
    for name, count in zip(names, (10, 3, 4), strict=True):
        path = write_photos(name, count=count)
    data = folder(path)
    assert sizes(data) == (20, 6, 8)
    assert data.classes == ("cat", "dog")
    assert data.notes == ()
    assert {data.source.paths[each].relative_to(path).parts[0] for each in data.test} == {names[2]}


def test_validation_comes_out_of_train(write_photos):
    write_photos("train", count=10)
    data = folder(write_photos("test", count=4))
    assert sizes(data) == (16, 4, 8)


def test_test_comes_out_of_train_and_is_said(write_photos):
    write_photos("train", count=10)
    data = folder(write_photos("val", count=4))
    assert sizes(data) == (16, 8, 4)
    assert data.notes == ("There is no test folder, so a fifth of the training images is the test set.",)


def test_a_lone_train_folder_is_not_a_class(write_photos):
    data = folder(write_photos("train", count=10))
    assert data.classes == ("cat", "dog")
    assert sizes(data) == (13, 3, 4)


def test_a_class_may_be_called_train(write_photos):
    data = folder(write_photos(classes=("bus", "car", "train")))
    assert data.classes == ("bus", "car", "train")


def test_two_folders_for_one_part_are_refused(write_photos):
    for name in ("train", "val", "valid"):
        path = write_photos(name, count=2)
    with pytest.raises(LimbeckError, match="two folders for validation: val and valid"):
        folder(path)


def test_files_that_are_no_images_are_left_alone(write_photos):
    path = write_photos()
    (path / "cat" / "Thumbs.db").write_text("x")
    (path / "cat" / ".hidden.png").write_text("x")
    (path / "readme.txt").write_text("x")
    (path / ".cache").mkdir()
    data = folder(path)
    assert len(data.source) == 20
    assert data.classes == ("cat", "dog")


def test_images_may_lie_deeper(write_photos):
    path = write_photos()
    (path / "cat" / "more").mkdir()
    for each in range(3):
        (path / "cat" / f"00{each}.png").rename(path / "cat" / "more" / f"00{each}.PNG")
    assert len(folder(path).source) == 20


def test_grey_images_stay_grey_when_all_are(write_photos):
    path = write_photos(mode="L")
    data = folder(path)
    assert data.shape[0] == 1
    assert data.source.read(0).shape[0] == 1
    Image.new("RGB", (20, 20)).save(path / "cat" / "colour.png")
    data = folder(path)
    assert data.shape[0] == 3
    assert {data.source.read(each).shape[0] for each in range(len(data.source))} == {3}


def test_canvas(write_photos, tmp_path):
    data = folder(write_photos(count=5))
    assert data.shape == (3, 22, 22)  # shorter sides 20..24
    assert data.source.read(0).shape == (3, 20, 32)
    assert open_data(f"folder:{tmp_path / 'photos'}", size=16).shape == (3, 16, 16)
    assert Views.plain(data).__getitems__([(0, 0), (4, 0)]).inputs.shape == (2, 3, 22, 22)


def test_images_of_one_size_keep_it(write_photos):
    assert folder(write_photos(size=(12, 30))).shape == (3, 12, 30)


def test_large_images_get_a_canvas_of_224(write_photos):
    assert folder(write_photos(size=(300, 280), count=2)).shape == (3, 224, 224)


def test_order_and_split_do_not_depend_on_the_file_system(write_photos, monkeypatch):
    path = write_photos()
    before = folder(path)
    listdir, scandir = os.listdir, os.scandir
    monkeypatch.setattr(os, "listdir", lambda place: listdir(place)[::-1])
    monkeypatch.setattr(os, "scandir", lambda place: Backwards(scandir(place)))
    after = folder(path)
    assert before.source.paths == after.source.paths
    assert before.fingerprint() == after.fingerprint()


class Backwards:
    """What os.scandir returns, from the end."""

    def __init__(self, entries):
        self.entries = iter(list(entries)[::-1])

    def __iter__(self):
        return self.entries

    def __next__(self):
        return next(self.entries)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_fingerprint_sees_names_and_bytes(write_photos):
    path = write_photos()
    base = folder(path).source.fingerprint()
    assert folder(path).source.fingerprint() == base
    image = path / "cat" / "003.png"
    content = image.read_bytes()
    image.write_bytes((path / "dog" / image.name).read_bytes())
    assert folder(path).source.fingerprint() != base
    image.write_bytes(content)
    assert folder(path).source.fingerprint() == base
    image.rename(path / "cat" / "003b.png")
    assert folder(path).source.fingerprint() != base


def test_fingerprint_does_not_depend_on_where_the_folder_lies(write_photos):
    path = write_photos()
    base = folder(path).source.fingerprint()
    moved = path.rename(path.with_name("elsewhere"))
    assert folder(moved).source.fingerprint() == base


def test_an_empty_class_is_named(write_photos):
    path = write_photos()
    (path / "zebra").mkdir()
    with pytest.raises(LimbeckError, match=r"class folder .*zebra has no images"):
        folder(path)


def test_a_class_that_only_a_teacher_knows_has_an_empty_folder(write_photos):
    write_photos("train")
    write_photos("validation", classes=("cat", "dog", "zebra"), count=3)
    path = write_photos("test", classes=("cat", "dog", "zebra"), count=3)
    with pytest.raises(
        LimbeckError, match=r"zebra is a class that .* has no folder for: add one there, an empty"
    ):
        folder(path)
    (path / "train" / "zebra").mkdir()
    data = folder(path)
    assert data.classes == ("cat", "dog", "zebra")
    assert data.source.targets[data.train].unique().tolist() == [0, 1]
    assert 2 in data.source.targets[data.validation]
    assert data.notes == ("The training part has no sample of zebra: only a teacher can tell of it.",)


def test_an_empty_class_that_nothing_judges_is_refused(write_photos):
    write_photos("train")
    path = write_photos("test", classes=("cat", "dog", "zebra"), count=3)
    (path / "train" / "zebra").mkdir()
    with pytest.raises(LimbeckError, match=r"class folder .*zebra has no images"):
        folder(path)


def test_one_image_in_a_class_is_refused(write_photos):
    path = write_photos()
    (path / "zebra").mkdir()
    Image.new("RGB", (20, 20)).save(path / "zebra" / "a.png")
    with pytest.raises(LimbeckError, match=r"Class 'zebra' of .* has 1 sample; a class needs at least 2"):
        folder(path)


def test_one_class_is_refused(write_photos):
    with pytest.raises(LimbeckError, match="two or more classes to tell apart, but has only 'cat'"):
        folder(write_photos(classes=("cat",)))


def test_no_class_folders_are_refused(tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    with pytest.raises(LimbeckError, match="has no folders: put the images of each class"):
        folder(tmp_path)


def test_a_test_class_that_train_has_not_is_named(write_photos):
    write_photos("train")
    path = write_photos("test", classes=("cat", "horse"), count=3)
    with pytest.raises(LimbeckError, match=r"horse is a class that .*train has no folder for"):
        folder(path)


def test_unreadable_images_are_named(write_photos):
    path = write_photos()
    (path / "cat" / "003.png").write_bytes(b"no image")
    (path / "dog" / "004.png").write_bytes((path / "dog" / "004.png").read_bytes()[:100])
    with pytest.raises(
        LimbeckError, match=r"003.png cannot be read .*--skip-bad\. \(1 more files are like it"
    ):
        folder(path)


def test_unreadable_images_are_left_out_when_asked(write_photos):
    path = write_photos()
    (path / "cat" / "003.png").write_bytes(b"no image")
    damaged = bytearray((path / "dog" / "004.png").read_bytes())
    damaged[200:400] = bytes(200)
    (path / "dog" / "004.png").write_bytes(damaged)
    data = open_data(f"folder:{path}", skip_bad=True)
    assert data.skipped == (str(path / "cat" / "003.png"), str(path / "dog" / "004.png"))
    assert len(data.source) == 18
    for each in range(18):
        data.source.read(each)


def test_a_class_without_a_readable_image_is_named(write_photos):
    path = write_photos(count=2)
    for each in (path / "cat").iterdir():
        each.write_bytes(b"no image")
    with pytest.raises(LimbeckError, match="cat has no image that can be read"):
        open_data(f"folder:{path}", skip_bad=True)


def test_a_file_that_is_damaged_later_is_named_also_by_a_worker(write_photos):
    path = write_photos()
    data = open_data(f"folder:{path}")
    data.source.paths[3].write_bytes(b"no image")
    for workers in (0, 1):
        loader = DataLoader(Views.plain(data), batch_sampler=[[(3, 0)]], collate_fn=list, num_workers=workers)
        with pytest.raises(LimbeckError, match=data.source.paths[3].name):
            list(loader)
