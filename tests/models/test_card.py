"""Saved models: what the file holds, that it comes back the same, and what is refused (T14)."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from limbeck.data import InputTransform
from limbeck.errors import LimbeckError
from limbeck.models import Model, load_model, open_model, save_model
from limbeck.models.rescaled import Rescaled


def logits(model: Model) -> Tensor:
    images = torch.arange(2 * 28 * 28, dtype=torch.uint8).view(2, 1, 28, 28)
    with torch.no_grad():
        result: Tensor = model.module.eval()(model.inputs(images))
    return result


@pytest.mark.parametrize(
    "spec",
    [
        "cnn:4-8?depth=2",
        "mlp:8?dropout=0.5",
        "timm:test_vit",
        "timm:mobilenetv3_small_050",
        "torchvision:shufflenet_v2_x0_5",
    ],
)
def test_a_saved_model_comes_back_the_same(spec: str, tmp_path: Path) -> None:
    model = replace(open_model(spec, outputs=3, shape=(1, 28, 28)), classes=("a", "é", "c"))
    save_model(tmp_path, "student", model)
    back = load_model(tmp_path, "student")
    assert torch.equal(logits(back), logits(model))
    assert (back.name, back.inputs, back.classes, back.outputs, back.shape, back.options) == (
        model.name, model.inputs, model.classes, model.outputs, model.shape, model.options,
    )  # fmt: skip
    again = tmp_path / "again"
    again.mkdir()
    save_model(again, "student", back)
    assert (again / "student.safetensors").read_bytes() == (tmp_path / "student.safetensors").read_bytes()
    assert (again / "student.json").read_bytes() == (tmp_path / "student.json").read_bytes()


def test_t14_the_file_holds_what_inference_needs_and_loads_in_the_bare_model(tmp_path: Path) -> None:
    model = open_model("cnn:4-8", outputs=3, shape=(1, 28, 28))
    file = save_model(tmp_path, "student", model)
    state = load_file(file)
    bare = open_model("cnn:4-8", outputs=3, shape=(1, 28, 28)).module
    assert state.keys() == bare.state_dict().keys()
    bare.load_state_dict(state, strict=True)
    tensors = sum(each.numel() * each.element_size() for each in model.module.state_dict().values())
    assert tensors <= file.stat().st_size < tensors + 4096
    assert sorted(each.name for each in tmp_path.iterdir()) == ["student.json", "student.safetensors"]


def test_an_earlier_state_is_saved_in_place_of_the_present_one(tmp_path: Path) -> None:
    model = open_model("mlp:4", outputs=3, shape=(1, 28, 28))
    best = {key: torch.zeros_like(each) for key, each in model.module.state_dict().items()}
    save_model(tmp_path, "student", model, best)
    assert logits(load_model(tmp_path, "student")).abs().max() == 0
    with pytest.raises(ValueError, match="not this module's: teacher"):
        save_model(tmp_path, "student", model, {**best, "teacher.weight": torch.zeros(1)})


def test_a_compiled_network_is_saved_under_its_own_names(tmp_path: Path) -> None:
    model = open_model("cnn:4", outputs=3, shape=(1, 28, 28))
    compiled = replace(model, module=torch.compile(model.module))
    save_model(tmp_path, "student", compiled, compiled.module.state_dict())
    assert torch.equal(logits(load_model(tmp_path, "student")), logits(model))


def test_shared_and_strided_tensors_are_saved_once_and_whole(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 3)).to(memory_format=torch.channels_last)
    net[1].weight = net[0].weight
    inputs = InputTransform(None, 2, (0.0, 0.0), (1.0, 1.0))
    model = Model(net, "python:Sequential", inputs, outputs=2, shape=(2, 8, 8))
    state = load_file(save_model(tmp_path, "teacher", model))
    assert sorted(state) == ["0.bias", "0.weight", "1.bias"]
    assert torch.equal(state["0.weight"], net[0].weight)


def test_a_rescaled_regression_comes_back_with_its_scale(tmp_path: Path) -> None:
    model = open_model("mlp:4", outputs=1, shape=(5,))
    scaled = replace(
        model, module=Rescaled(model.module, 150.0, 70.0), options={**model.options, "rescale": [150.0, 70.0]}
    )
    save_model(tmp_path, "model", scaled, task="regression")
    back = load_model(tmp_path, "model")
    features = torch.randn(3, 5)
    assert torch.equal(back.module(features), scaled.module(features))


def test_tensors_that_changed_after_the_run_are_refused(tmp_path: Path) -> None:
    model = open_model("mlp:4", outputs=3, shape=(1, 28, 28))
    file = save_model(tmp_path, "student", model)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(LimbeckError, match=r"is not the file its card student\.json describes"):
        load_model(tmp_path, "student")
    file.unlink()
    with pytest.raises(LimbeckError, match="is missing beside its card"):
        load_model(tmp_path, "student")


def test_a_python_object_cannot_be_built_again_and_the_way_out_works(tmp_path: Path) -> None:
    from limbeck.models import load_weights

    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 3))
    model = open_model("mlp:4", outputs=3, shape=(1, 28, 28))
    file = save_model(tmp_path, "student", replace(model, module=net, name="python:MyNet", options={}))
    with pytest.raises(LimbeckError) as caught:
        load_model(tmp_path, "student")
    assert "was a Python object (MyNet)" in str(caught.value)
    assert f"load_weights(module, '{file}')" in str(caught.value)
    fresh = nn.Sequential(nn.Flatten(), nn.Linear(784, 3))
    load_weights(fresh, file)
    assert torch.equal(fresh[1].weight, net[1].weight)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"schema": 2}, "has schema 2, this limbeck reads 1"),
        ({"outputs": "3"}, "has no valid outputs"),
        ({"sha256": None}, "has no valid sha256"),
        (
            {"options": {"checkpoint_path": "evil.pth"}},
            "checkpoint_path='evil.pth', which limbeck never writes",
        ),
        ({"options": {"num_classes": "3"}}, "which limbeck never writes"),
        ({"spec": "timm:hf-hub:someone/evil"}, "which limbeck never writes"),
        ({"spec": "timm:hf-hub:someone/evil", "options": {}}, "timm has no model"),
        ({"spec": "plugin:evil"}, "pass it with --plugin FILE.py"),
        ({"inputs": {"kind": "magic"}}, "An input transform must be one of the kinds"),
    ],
)
def test_a_card_of_anothers_making_is_refused(change: dict[str, Any], told: str, tmp_path: Path) -> None:
    save_model(tmp_path, "student", open_model("mlp:4", outputs=3, shape=(1, 28, 28)))
    card = tmp_path / "student.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), **change}))
    with pytest.raises(LimbeckError) as caught:
        load_model(tmp_path, "student")
    assert told in str(caught.value)


def test_a_card_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    save_model(tmp_path, "student", open_model("mlp:4", outputs=3, shape=(1, 28, 28)))
    with pytest.raises(LimbeckError, match=r"has no saved model 'teacher' \(there are: student\)"):
        load_model(tmp_path, "teacher")
    (tmp_path / "student.json").write_text("{")
    with pytest.raises(LimbeckError, match="cannot be read"):
        load_model(tmp_path, "student")
