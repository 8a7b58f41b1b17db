"""The small nets: shapes, names, settings, refusals."""

import pytest
import torch
from torch import nn

from limbeck.errors import LimbeckError
from limbeck.models import open_model


@pytest.mark.parametrize("side", [8, 28, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_cnn_reads_small_images_of_any_size(side: int, channels: int) -> None:
    model = open_model("cnn:4-8-8-8", outputs=5, shape=(channels, side, side))
    fed = model.inputs(torch.randint(0, 256, (2, channels, side, side), dtype=torch.uint8))
    assert model.module(fed).shape == (2, 5)
    assert model.inputs.size == (side, side)


def test_cnn_halves_the_map_at_every_stage_but_keeps_a_digits_first() -> None:
    for side, first, second in ((8, 8, 4), (64, 32, 16)):
        net = open_model("cnn:4-8", outputs=2, shape=(1, side, side)).module
        map1 = net.get_submodule("stage1")(torch.zeros(2, 1, side, side))
        map2 = net.get_submodule("stage2")(map1)
        assert (map1.shape[-1], map2.shape[-1]) == (first, second)


def test_cnn_stages_have_as_many_convolutions_as_asked() -> None:
    net = open_model("cnn:4-8?depth=2&dropout=0.25", outputs=2, shape=(1, 8, 8)).module
    assert sum(isinstance(each, nn.Conv2d) for each in net.modules()) == 4
    assert net.get_submodule("dropout").p == 0.25


def test_mlp_has_hintons_dropouts_where_they_belong() -> None:
    net = open_model("mlp:6-6?dropout=0.5&input_dropout=0.2", outputs=10, shape=(1, 4, 4)).module
    names = [name for name, _ in net.named_children()]
    assert names == [
        "flatten", "input_dropout", "linear1", "relu1", "dropout1", "linear2", "relu2", "dropout2", "head",
    ]  # fmt: skip
    assert (net.get_submodule("input_dropout").p, net.get_submodule("dropout1").p) == (0.2, 0.5)


def test_mlp_reads_features_for_a_regression() -> None:
    model = open_model("mlp:8", outputs=1, shape=(10,))
    assert model.module(model.inputs(torch.randn(3, 10))).shape == (3, 1)


def test_a_size_asked_for_is_the_size_fed() -> None:
    model = open_model("mlp:8", outputs=2, shape=(1, 28, 28), size=14)
    fed = model.inputs(torch.zeros(2, 1, 28, 28, dtype=torch.uint8))
    assert fed.shape == (2, 1, 14, 14)
    assert model.module(fed).shape == (2, 2)


@pytest.mark.parametrize(
    ("spec", "shape", "told"),
    [
        ("cnn:16-x", (1, 8, 8), "whole numbers above 0 joined by '-', as in cnn:16-32"),
        ("mlp:0", (1, 8, 8), "as in mlp:16-32"),
        ("mlp:-8", (1, 8, 8), "whole numbers"),
        ("mlp:8?dropuot=0.5", (1, 8, 8), "Did you mean 'dropout'"),
        ("mlp:8?dropout=1", (1, 8, 8), "probability from 0 to below 1"),
        ("mlp:8?dropout=nan", (1, 8, 8), "probability"),
        ("mlp:8?dropout=half", (1, 8, 8), "is a number"),
        ("cnn:8?depth=1.5", (1, 8, 8), "1 or more, not 1.5"),
        ("cnn:8?input_dropout=0.5", (1, 8, 8), "has no setting 'input_dropout'"),
        ("cnn:8", (10,), "a sample here is 10 features: use a net such as mlp:64-64"),
    ],
)
def test_refusals_say_what_is_wrong_and_the_way_out(spec: str, shape: tuple[int, ...], told: str) -> None:
    with pytest.raises(LimbeckError) as caught:
        open_model(spec, outputs=2, shape=shape)
    assert told in str(caught.value)


def test_small_nets_have_no_pretrained_weights_and_features_no_size() -> None:
    with pytest.raises(LimbeckError, match="cnn:8 has no pretrained weights"):
        open_model("cnn:8", outputs=2, shape=(1, 8, 8), pretrained=True)
    with pytest.raises(LimbeckError, match="no image size"):
        open_model("mlp:8", outputs=2, shape=(10,), size=8)
