"""Checkpoints: what is read, how a misfit is told, and what is never executed."""

import argparse
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.models import load_weights, open_model


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def same(one: nn.Module, other: nn.Module) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in mine)


def prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items()}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state, "optimizer": {"lr": 0.1}, "args": argparse.Namespace(lr=0.1)},
        lambda state: {"state_dict": {"model": state}},
        lambda state: prefixed("module.", state),
        lambda state: {"state_dict": prefixed("module._orig_mod.", state)},
        lambda state: {"n_averaged": torch.tensor(7), **prefixed("module.", state)},
        lambda state: {key: each for key, each in state.items() if "num_batches" not in key},
    ],
    ids=["plain", "lightning", "timm", "nested", "parallel", "compiled", "averaged", "without counters"],
)
@pytest.mark.parametrize("old_format", [False, True])
def test_usual_checkpoints_are_loaded(wrap: Any, old_format: bool, tmp_path: Path) -> None:
    source, target = network(), network()
    file = tmp_path / "net.pth"
    torch.save(wrap(source.state_dict()), file, _use_new_zipfile_serialization=not old_format)
    load_weights(target, file)
    assert same(source, target)


def test_safetensors_are_loaded(tmp_path: Path) -> None:
    source, target = network(), network()
    save_file(prefixed("_orig_mod.", source.state_dict()), tmp_path / "net.safetensors")
    load_weights(target, tmp_path / "net.safetensors")
    assert same(source, target)


def test_a_prefix_that_is_the_networks_own_is_kept(tmp_path: Path) -> None:
    source, target = (nn.Sequential() for _ in range(2))
    for net in (source, target):
        net.add_module("model", nn.Linear(2, 2))
    torch.save(source.state_dict(), tmp_path / "net.pt")
    load_weights(target, tmp_path / "net.pt")
    assert same(source, target)


def test_a_tensor_shared_by_two_layers_is_needed_only_once(tmp_path: Path) -> None:
    def tied() -> nn.Sequential:
        net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        net[1].weight = net[0].weight
        return net

    source, target = tied(), tied()
    state = source.state_dict()
    del state["1.weight"]
    save_file(state, tmp_path / "net.safetensors")
    load_weights(target, tmp_path / "net.safetensors")
    assert same(source, target)
    assert target[1].weight is target[0].weight


def test_a_misfit_is_told_in_one_sentence_and_nothing_is_loaded(tmp_path: Path) -> None:
    target = network()
    before = {key: each.clone() for key, each in target.state_dict().items()}
    state = dict(network().state_dict())
    state["2.weight"] = torch.zeros(7, 4)
    for key in ("0.weight", "0.bias", "1.weight", "1.bias"):
        del state[key]
    state["head.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "net.pt")
    with pytest.raises(LimbeckError) as caught:
        load_weights(target, tmp_path / "net.pt", name="the student")
    told = str(caught.value)
    assert "net.pt does not fit the student" in told
    assert "4 missing (0.weight, 0.bias, 1.weight and 1 more)" in told
    assert "1 unexpected (head.weight)" in told
    assert "1 misshapen (2.weight is 7×4 and should be 2×4)" in told
    assert "nothing was loaded" in told
    assert all(torch.equal(each, before[key]) for key, each in target.state_dict().items())


def test_weights_of_another_class_count_say_which_has_what(tmp_path: Path) -> None:
    made = open_model("cnn:4", outputs=10, shape=(1, 8, 8))
    torch.save(made.module.state_dict(), tmp_path / "ten.pt")
    with pytest.raises(LimbeckError) as caught:
        open_model("cnn:4", outputs=3, shape=(1, 8, 8), weights=tmp_path / "ten.pt")
    assert "does not fit cnn:4 with 3 outputs: 2 misshapen (head.weight is 10×4 and should be 3×4" in str(
        caught.value
    )
    filled = open_model("cnn:4", outputs=10, shape=(1, 8, 8), weights=tmp_path / "ten.pt")
    assert same(filled.module, made.module)
    assert filled.weights == str(tmp_path / "ten.pt")


class Bomb:
    def __init__(self, file: Path):
        self.file = file

    def __reduce__(self) -> Any:
        return os.system, (f"touch '{self.file}'",)


def test_pickled_objects_are_refused_and_not_executed(tmp_path: Path) -> None:
    whole, bomb, script = (tmp_path / name for name in ("whole.pt", "bomb.pt", "script.pt"))
    torch.save(network(), whole)
    torch.save({"state_dict": network().state_dict(), "extra": Bomb(tmp_path / "exploded")}, bomb)
    torch.jit.trace(network().eval(), torch.zeros(1, 3)).save(script)
    for file in (whole, bomb, script):
        with pytest.raises(LimbeckError) as caught:
            load_weights(network(), file)
        assert "holds Python objects" in str(caught.value)
        assert "torch.save(model.state_dict(), ...)" in str(caught.value)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
@pytest.mark.parametrize("damage", ["cut", "empty", "text", "end"])
def test_damaged_files_are_told(name: str, damage: str, tmp_path: Path) -> None:
    file, state = tmp_path / name, network().state_dict()
    save_file(state, file) if name.endswith("safetensors") else torch.save(state, file)
    whole = file.read_bytes()
    contents = {"cut": whole[: len(whole) // 2], "empty": b"", "text": b"<html>404</html>", "end": whole[:-1]}
    file.write_bytes(contents[damage])
    with pytest.raises(LimbeckError, match="is damaged or no"):
        load_weights(network(), file)


def test_files_that_are_no_checkpoints_are_told(tmp_path: Path) -> None:
    with pytest.raises(LimbeckError, match="No weights file"):
        load_weights(network(), tmp_path / "none.pt")
    with pytest.raises(LimbeckError, match="No weights file"):
        load_weights(network(), tmp_path)
    (tmp_path / "net.h5").write_bytes(b"x")
    with pytest.raises(LimbeckError, match="no weights file by its ending"):
        load_weights(network(), tmp_path / "net.h5")
    torch.save({"epoch": 3, "loss": torch.tensor(1.0)}, tmp_path / "log.pt")
    with pytest.raises(LimbeckError, match=r"holds no state dict \(keys epoch, loss\)"):
        load_weights(network(), tmp_path / "log.pt")
    torch.save(torch.zeros(2), tmp_path / "tensor.pt")
    with pytest.raises(LimbeckError, match=r"holds no state dict \(Tensor\)"):
        load_weights(network(), tmp_path / "tensor.pt")


def test_a_plain_pickle_of_the_old_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "old.pt").write_bytes(pickle.dumps(Bomb(tmp_path / "exploded"), protocol=2))
    with pytest.raises(LimbeckError):
        load_weights(network(), tmp_path / "old.pt")
    assert not (tmp_path / "exploded").exists()
