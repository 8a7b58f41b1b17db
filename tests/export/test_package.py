import json

import numpy as np
import pytest

from limbeck.errors import LimbeckError
from limbeck.export import open_package, predict_onnx, read_card, write_package


def test_package_is_the_model_its_card_and_a_checksum(exported, tmp_path):
    folder = write_package(exported.path, tmp_path / "deep" / "package")
    assert sorted(each.name for each in folder.iterdir()) == ["model.onnx", "package.json"]
    model, card = open_package(folder)
    assert model.read_bytes() == exported.path.read_bytes()
    assert card == read_card(folder) == exported.card
    inputs = np.zeros((2, 3, 8, 6), np.uint8)
    np.testing.assert_array_equal(predict_onnx(folder, inputs), predict_onnx(exported.path, inputs))


def test_package_replaces_an_earlier_one_whole(exported, tmp_path):
    folder = write_package(exported.path, tmp_path / "package")
    (folder / "stale").touch()
    write_package(exported.path, folder)
    assert sorted(each.name for each in folder.iterdir()) == ["model.onnx", "package.json"]
    assert [each.name for each in tmp_path.iterdir()] == ["package"]


def test_someone_elses_folder_is_refused_and_untouched(exported, tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(LimbeckError, match=r"exists and is no package of limbeck's: name another folder\."):
        write_package(exported.path, tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.tex"]


def test_failure_leaves_nothing_and_keeps_the_earlier_package(exported, tmp_path, monkeypatch):
    folder = write_package(exported.path, tmp_path / "package")

    def full(*_):
        raise LimbeckError("No space left.")

    monkeypatch.setattr("limbeck.export.package.write_text", full)
    with pytest.raises(LimbeckError, match="No space left"):
        write_package(exported.path, folder)
    assert [each.name for each in tmp_path.iterdir()] == ["package"]
    open_package(folder)


def test_a_changed_model_is_refused(exported, tmp_path):
    folder = write_package(exported.path, tmp_path / "package")
    (folder / "model.onnx").write_bytes(exported.path.read_bytes() + b"\0")
    with pytest.raises(LimbeckError, match="is not the file its package was made of"):
        open_package(folder)


@pytest.mark.parametrize("broken", ["nothing", "no model", "no checksum", "no json"])
def test_a_broken_package_is_refused(broken, exported, tmp_path):
    folder = tmp_path / "package"
    if broken != "nothing":
        write_package(exported.path, folder)
    if broken == "no model":
        (folder / "model.onnx").unlink()
    if broken == "no checksum":
        (folder / "package.json").write_text(json.dumps({"card": {}}))
    if broken == "no json":
        (folder / "package.json").write_text("[")
    with pytest.raises(LimbeckError, match="is not a whole package"):
        open_package(folder)
