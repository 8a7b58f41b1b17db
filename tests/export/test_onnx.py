import logging
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from limbeck.errors import LimbeckError
from limbeck.export import export_onnx, predict_onnx, read_card

EXAMPLE = torch.zeros(1, 3, 8, 6, dtype=torch.uint8)


def changed(model: SimpleNamespace, **parts) -> SimpleNamespace:
    return SimpleNamespace(**{**vars(model), **parts})


def test_file_answers_as_the_model_evaluated_on_bytes(images, exported):
    images.module.eval()
    for size in (1, 3, 7):  # sizes that neither the tracing nor the parity proof saw, and one it did
        raw = torch.randint(0, 256, (size, 3, 8, 6), dtype=torch.uint8)
        with torch.no_grad():
            wanted = images.module(images.inputs(raw)).numpy()
        np.testing.assert_allclose(predict_onnx(exported.path, raw.numpy()), wanted, rtol=1e-4, atol=1e-5)


def test_batch_is_named_and_dynamic_and_the_rest_is_fixed(exported):
    import onnx

    graph = onnx.load(exported.path).graph
    dims = [each.dim_param or each.dim_value for each in graph.input[0].type.tensor_type.shape.dim]
    assert dims == ["batch", 3, 8, 6]
    assert [each.name for each in (*graph.input, *graph.output)] == ["image", "logits"]


def test_card_says_what_a_user_needs(exported):
    card = read_card(exported.path)
    assert card == exported.card
    assert (card["format"], card["task"], card["classes"]) == (1, "classification", ["zero", "één", "二"])
    assert card["input"] == {
        "kind": "image",
        "name": "image",
        "dtype": "float32",
        "shape": [3, 8, 6],
        "channels": 3,
        "size": [8, 6],
        "range": [0.0, 1.0],
        "resize": "bilinear, antialiased",
        "normalisation": {"applied": "by the graph", "mean": [0.1, 0.4, 0.7], "std": [0.2, 0.3, 0.4]},
    }
    assert card["parity"]["max_difference"] == exported.parity.max_difference <= exported.parity.allowed
    assert card["parity"]["batches"] == [1, 2, 5]


def test_file_tells_no_path_of_the_machine_that_made_it(exported):
    content = exported.path.read_bytes()
    assert exported.bytes == len(content)
    assert b".py" not in content
    assert b"site-packages" not in content


def test_model_is_left_as_it_was_and_nothing_is_said(images, tmp_path, capfd, recwarn):
    images.module.train()
    before = {key: value.clone() for key, value in images.module.state_dict().items()}
    draw = torch.get_rng_state()
    export_onnx(images, tmp_path / "a.onnx", example=EXAMPLE)
    assert images.module.training
    assert all(torch.equal(before[key], value) for key, value in images.module.state_dict().items())
    assert torch.equal(draw, torch.get_rng_state())
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list
    assert logging.root.manager.disable == logging.NOTSET


def test_regression_takes_raw_features_and_answers_one_value_each(features, tmp_path):
    exported = export_onnx(features, tmp_path / "a.onnx", example=torch.zeros(4, 2), task="regression")
    raw = np.array([[120.0, -0.011], [30.0, -0.0095]], np.float32)
    with torch.no_grad():
        standard = (torch.from_numpy(raw) - torch.tensor([100.0, -0.01])) / torch.tensor([50.0, 0.001])
        wanted = features.module(standard).flatten().numpy()
    given = predict_onnx(exported.path, raw)
    assert given.shape == (2,)
    np.testing.assert_allclose(given, wanted, rtol=1e-5)
    assert exported.card["task"] == "regression"
    assert exported.card["output"] == {"name": "value"}


def test_size_comes_from_the_data_where_the_model_has_none(images, tmp_path):
    anysize = changed(images, inputs=replace(images.inputs, size=None))
    exported = export_onnx(anysize, tmp_path / "a.onnx", example=torch.zeros(1, 3, 10, 4, dtype=torch.uint8))
    assert exported.card["input"]["size"] == [10, 4]


def test_refused_when_the_graph_disagrees_and_the_earlier_file_stays(images, tmp_path):
    class Lying(type(images.inputs)):
        """Does something else than its mean and std say."""

        def __call__(self, raw):
            return super().__call__(raw) + 1

    lying = changed(images, inputs=Lying((8, 6), 3, images.inputs.mean, images.inputs.std))
    target = tmp_path / "a.onnx"
    target.write_bytes(b"earlier")
    with pytest.raises(LimbeckError, match=r"cnn:4 differs from PyTorch by up to .* no file was written"):
        export_onnx(lying, target, example=EXAMPLE)
    assert [each.name for each in tmp_path.iterdir()] == ["a.onnx"]
    assert target.read_bytes() == b"earlier"


class TwoAtATime(nn.Module):
    def forward(self, inputs):
        return inputs.flatten(1) + torch.ones(2, 1)


class Both(nn.Module):
    def forward(self, inputs):
        return {"logits": inputs, "boxes": inputs}


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Both(), "cnn:4 returns dict, and only a network that returns one tensor can be exported"),
        (TwoAtATime(), "cannot turn cnn:4 into an ONNX graph with a batch of any size"),
    ],
)
def test_networks_that_cannot_be_exported_are_named(images, network, message, tmp_path):
    with pytest.raises(LimbeckError, match=message):
        export_onnx(changed(images, module=network), tmp_path / "a.onnx", example=EXAMPLE)
    assert not list(tmp_path.iterdir())


def test_inputs_that_cannot_be_written_into_the_graph_are_refused(images, tmp_path):
    with pytest.raises(LimbeckError, match="prepared by function cannot be exported"):
        export_onnx(changed(images, inputs=lambda x: x), tmp_path / "a.onnx", example=EXAMPLE)


@pytest.mark.parametrize("missing", ["onnx", "onnxscript", "onnxruntime"])
def test_missing_extra_is_told_with_its_remedy(images, missing, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, missing, None)  # an import of it now fails
    with pytest.raises(LimbeckError, match=rf"Export needs {missing}, .*pip install 'limbeck\[export\]'"):
        export_onnx(images, tmp_path / "a.onnx", example=EXAMPLE)
