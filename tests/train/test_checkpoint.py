"""Checkpoints are written whole or not at all, and nothing in them can run."""

import pytest
import torch

from limbeck import LimbeckError
from limbeck.train.checkpoint import (
    differences,
    random_state,
    read_checkpoint,
    restore_random_state,
    write_checkpoint,
)


def test_what_is_written_is_read(tmp_path):
    state = {"weights": {"a": torch.randn(3)}, "history": [{"epoch": 1, "loss": 0.5}], "best": None}
    write_checkpoint(tmp_path / "deep" / "last.pt", state)
    found = read_checkpoint(tmp_path / "deep" / "last.pt")
    assert torch.equal(found["weights"]["a"], state["weights"]["a"])
    assert found["history"] == state["history"]
    assert found["best"] is None
    assert [each.name for each in (tmp_path / "deep").iterdir()] == ["last.pt"]


def test_failure_leaves_the_earlier_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "last.pt"
    write_checkpoint(path, {"step": 1})

    def broken(state, place):
        place.write_bytes(b"half a check")
        raise RuntimeError("basic_ios::clear: iostream error")

    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(LimbeckError, match=r"last\.pt"):
        write_checkpoint(path, {"step": 2})
    assert read_checkpoint(path) == {"step": 1}
    assert [each.name for each in tmp_path.iterdir()] == ["last.pt"]


def test_pickled_code_is_not_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return (pytest.fail, ("code of a checkpoint ran",))

    torch.save({"step": Harm()}, tmp_path / "last.pt")
    with pytest.raises(LimbeckError, match=r"last\.pt"):
        read_checkpoint(tmp_path / "last.pt")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_damaged_file_is_named(tmp_path, content):
    (tmp_path / "last.pt").write_bytes(content)
    with pytest.raises(LimbeckError, match=r"last\.pt.*delete"):
        read_checkpoint(tmp_path / "last.pt")


def test_random_numbers_go_on_where_they_were():
    state = random_state(torch.device("cpu"))
    expected = torch.rand(3)
    restore_random_state(state, torch.device("cpu"))
    assert torch.equal(torch.rand(3), expected)


def test_differences_name_the_setting_at_any_depth():
    was = {"train": {"lr": 1.0, "seed": 0}, "data": "a"}
    assert differences(was, was) == []
    found = differences(was, {"train": {"lr": 2.0, "seed": 0}, "data": "a", "new": 1})
    assert len(found) == 2
    assert any("train.lr" in each and "1.0" in each and "2.0" in each for each in found)
    assert any("new" in each for each in found)
