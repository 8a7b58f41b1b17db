"""Logits with a fixed vector added: in the file, in a run folder and in ONNX."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.evaluate import bias_shift
from limbeck.export import export_onnx
from limbeck.export.reader import answers, session_of
from limbeck.models import Model, Shifted, load_model, open_model, save_model, shifted

SHIFT = [0.0, 3.5, -0.1]


def model(spec: str = "cnn:4-8") -> Model:
    torch.manual_seed(0)
    return open_model(spec, outputs=3, shape=(1, 8, 8))


def images(rows: int = 4) -> Tensor:
    return torch.randint(
        0, 256, (rows, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )


def logits(given: Model) -> Tensor:
    with torch.no_grad():
        found: Tensor = given.module.eval()(given.inputs(images()))
    return found


def test_the_shift_is_added_and_is_no_parameter() -> None:
    plain = model()
    found = shifted(plain, SHIFT)
    assert torch.equal(logits(found), logits(plain) + torch.tensor(SHIFT))
    assert isinstance(found.module, Shifted)
    assert "shift" not in dict(found.module.named_parameters())
    assert "shift" in found.module.state_dict()
    assert plain.options == model().options  # the model given stays as it is


@pytest.mark.parametrize("spec", ["cnn:4-8", "mlp:4", "timm:test_resnet"])
def test_a_run_folder_gives_the_shifted_model_back(spec: str, tmp_path: Path) -> None:
    found = shifted(model(spec), torch.tensor(SHIFT))
    save_model(tmp_path, "student", found)
    assert json.loads((tmp_path / "student.json").read_text())["options"]["logit_shift"][1] == 3.5
    for back in (
        load_model(tmp_path, "student"),
        open_model(f"run:{tmp_path}", outputs=3, shape=(1, 8, 8)),
    ):
        assert torch.equal(logits(back), logits(found))
        assert back.options == found.options
        assert isinstance(back.module, Shifted)
    again = tmp_path / "again"
    again.mkdir()
    save_model(again, "student", load_model(tmp_path, "student"))
    for name in ("student.json", "student.safetensors"):
        assert (again / name).read_bytes() == (tmp_path / name).read_bytes()


def test_a_second_shift_adds_to_the_first(tmp_path: Path) -> None:
    once = shifted(model(), SHIFT)
    twice = shifted(once, [1.0, 0.0, 0.0])
    assert not isinstance(twice.module.network, Shifted)
    assert torch.equal(logits(twice), logits(model()) + (torch.tensor(SHIFT) + torch.tensor([1.0, 0, 0])))
    save_model(tmp_path, "student", twice)
    assert torch.equal(logits(load_model(tmp_path, "student")), logits(twice))
    assert torch.equal(once.module.shift, torch.tensor(SHIFT))


def test_the_onnx_file_shifts_too(tmp_path: Path) -> None:
    found = shifted(model(), SHIFT)
    exported = export_onnx(found, tmp_path / "student.onnx", example=images(1))
    assert exported.parity.holds
    said = answers(session_of(exported.path.read_bytes()), images().float().div(255).numpy())
    torch.testing.assert_close(torch.from_numpy(said), logits(found), rtol=1e-4, atol=1e-4)
    plain = answers(
        session_of(export_onnx(model(), tmp_path / "plain.onnx", example=images(1)).path.read_bytes()),
        images().float().div(255).numpy(),
    )
    torch.testing.assert_close(
        torch.from_numpy(said - plain), torch.tensor(SHIFT).expand(4, 3), rtol=0, atol=1e-4
    )


def test_what_validation_chose_is_what_is_deployed(tmp_path: Path) -> None:
    """From logits to the shift to a folder: the model in the end scores what was promised."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(90, 3, generator=generator)
    targets = features.argmax(1)
    plain = open_model("mlp:8", outputs=3, shape=(3,))
    linear = nn.Linear(3, 3)
    with torch.no_grad():
        linear.weight.copy_(torch.eye(3))
        linear.bias.copy_(torch.tensor([0.0, -2.0, 0.0]))
    plain.module.load_state_dict(_as_mlp(plain.module, linear))
    with torch.no_grad():
        before = plain.module(plain.inputs(features))
    found = bias_shift(before, targets, [1])
    assert found.after == 1 > found.before
    save_model(tmp_path, "student", shifted(plain, found.shift))
    back = load_model(tmp_path, "student")
    with torch.no_grad():
        after = back.module(back.inputs(features))
    assert (after.argmax(1) == targets).float().mean() == found.after


def _as_mlp(module: nn.Module, linear: nn.Linear) -> dict[str, Tensor]:
    """Return weights that make a hidden layer of 8 compute ``linear`` through pairs of ReLUs."""
    state = {key: torch.zeros_like(value) for key, value in module.state_dict().items()}
    state["linear1.weight"][:6] = torch.cat([torch.eye(3), -torch.eye(3)])
    state["head.weight"][:, :6] = torch.cat([linear.weight.detach(), -linear.weight.detach()], 1)
    state["head.bias"] = linear.bias.detach().clone()
    return state


@pytest.mark.parametrize("wrong", [[], [[1.0]], 3.0, [float("nan"), 0.0, 0.0], [float("inf"), 0.0, 0.0]])
def test_what_is_no_shift_is_refused(wrong: Any) -> None:
    with pytest.raises(LimbeckError, match="one finite number for each class"):
        Shifted(nn.Identity(), wrong)


def test_another_number_of_classes_is_refused() -> None:
    with pytest.raises(LimbeckError, match="has 3 classes, but the shift is for 2"):
        shifted(model(), [1.0, 2.0])
    with pytest.raises(LimbeckError, match="for 2 classes, but the network gives 3"):
        Shifted(nn.Identity(), [1.0, 2.0])(torch.zeros(1, 3))


def test_a_card_with_another_shift_than_its_weights_is_refused(tmp_path: Path) -> None:
    save_model(tmp_path, "student", shifted(model(), SHIFT))
    card = json.loads((tmp_path / "student.json").read_text())
    card["options"]["logit_shift"] = [0.0, 1.0]
    (tmp_path / "student.json").write_text(json.dumps(card))
    with pytest.raises(LimbeckError, match="shift is 3 and should be 2"):
        load_model(tmp_path, "student")
    card["options"]["logit_shift"] = ["import os"]
    (tmp_path / "student.json").write_text(json.dumps(card))
    with pytest.raises(LimbeckError, match="never writes"):
        load_model(tmp_path, "student")
