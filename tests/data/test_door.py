"""What a person may write for data, and what they are told when it is wrong."""

import pytest

from limbeck.data import open_data
from limbeck.errors import LimbeckError


def test_the_name_is_what_was_written(write_idx, write_photos):
    for spec in ("digits", "sklearn:diabetes", f"idx:{write_idx()}", f"folder:{write_photos()}"):
        assert open_data(spec).name == spec


def test_limit_touches_the_training_part_alone():
    whole, few = open_data("digits"), open_data("digits", limit=50)
    assert len(few.train) == 50
    assert set(few.train.tolist()) < set(whole.train.tolist())
    assert few.validation.tolist() == whole.validation.tolist()
    assert few.test.tolist() == whole.test.tolist()
    assert len(few.source.targets[few.train].unique()) == 10
    assert len(open_data("sklearn:diabetes", limit=20).train) == 20


def test_too_small_a_limit_is_refused():
    with pytest.raises(
        LimbeckError, match=r"limit of 9 .* too small: it must leave one sample of each of the 10"
    ):
        open_data("digits", limit=9)


def test_size_is_the_canvas():
    assert open_data("digits", size=16).shape == (1, 16, 16)
    assert open_data("sklearn:diabetes", size=16).shape == (10,)
    with pytest.raises(LimbeckError, match="at least 1 pixel"):
        open_data("digits", size=0)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("digit", "No data 'digit'; there are digits, .* Did you mean 'digits'"),
        ("floder:photos", "Did you mean 'folder:'"),
        ("sklearn:diabetis", "Did you mean 'sklearn:diabetes'"),
        ("cifar", "No data 'cifar'; there are digits"),
        ("", "No data ''"),
        ("folder:", "must name a path, as in folder:PATH"),
        ("csv:", "must name a path, as in csv:PATH"),
        ("idx:nowhere/at/all", "No file or folder 'nowhere/at/all'"),
    ],
)
def test_unknown_data_is_refused(spec, says):
    with pytest.raises(LimbeckError, match=says):
        open_data(spec)


def test_a_path_beside_is_offered(write_photos):
    path = write_photos()
    with pytest.raises(LimbeckError, match=r"No file or folder .*/photo', .* Did you mean 'photos'\?"):
        open_data(f"folder:{path.with_name('photo')}")


def test_a_path_without_a_door_is_understood(write_photos, tmp_path):
    path = write_photos()
    with pytest.raises(LimbeckError, match=f"Did you mean 'folder:{path}'"):
        open_data(str(path))
    (tmp_path / "a.csv").write_text("a,b\n")
    with pytest.raises(LimbeckError, match=f"Did you mean 'csv:{tmp_path}/a.csv'"):
        open_data(f"{tmp_path}/a.csv")


def test_an_idx_folder_without_a_door_is_understood(write_idx):
    path = write_idx()
    with pytest.raises(LimbeckError, match=f"Did you mean 'idx:{path}'"):
        open_data(str(path))


def test_files_and_folders_are_told_apart(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n")
    with pytest.raises(LimbeckError, match="is a file, but folder: takes a folder"):
        open_data(f"folder:{tmp_path}/a.csv")
    with pytest.raises(LimbeckError, match="is a folder, but csv: takes a file"):
        open_data(f"csv:{tmp_path}")


def test_a_home_folder_behind_the_colon_is_found(write_idx, monkeypatch):
    path = write_idx()
    monkeypatch.setenv("HOME", str(path.parent))
    assert len(open_data(f"idx:~/{path.name}").source) == 100
