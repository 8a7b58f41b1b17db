"""The small nets: shapes, names, settings, refusals."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from limbeck.errors import LimbeckError
from limbeck.models import open_model, save_model


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


def test_a_bottleneck_factors_the_first_matrix_and_nothing_else() -> None:
    """U·V is the whole first map: one matrix of rank k and a bias, with no nonlinearity or dropout between."""
    net = open_model("mlp:9-6?bottleneck=2&dropout=0.5", outputs=3, shape=(1, 4, 4)).module.eval()
    names = [name for name, _ in net.named_children()]
    assert names == [
        "flatten",
        "bottleneck",
        "linear1",
        "relu1",
        "dropout1",
        "linear2",
        "relu2",
        "dropout2",
        "head",
    ]
    v, u = net.get_submodule("bottleneck"), net.get_submodule("linear1")
    assert isinstance(v, nn.Linear)
    assert isinstance(u, nn.Linear)
    assert (v.weight.shape, v.bias, u.weight.shape) == ((2, 16), None, (9, 2))
    product = u.weight.double() @ v.weight.double()
    assert torch.linalg.matrix_rank(product) == 2
    net.double()
    x = torch.randn(5, 1, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(net[:3](x), x.flatten(1) @ product.T + u.bias)


def test_a_bottleneck_makes_a_wide_net_small() -> None:
    def size(spec: str) -> int:
        net = open_model(spec, outputs=10, shape=(1, 28, 28)).module
        return sum(each.numel() for each in net.parameters())

    assert size("mlp:2000") == 784 * 2000 + 2000 + 2000 * 10 + 10
    assert size("mlp:2000?bottleneck=50") == 784 * 50 + 50 * 2000 + 2000 + 2000 * 10 + 10


def test_a_bottleneck_is_built_again_from_its_run(tmp_path: Path) -> None:
    model = open_model("mlp:8?bottleneck=2", outputs=2, shape=(10,))
    save_model(tmp_path, "model", replace(model, classes=("a", "b")))
    x = torch.randn(3, 10)
    again = open_model(f"run:{tmp_path}", outputs=2, shape=(10,)).module
    torch.testing.assert_close(again(x), model.module(x), rtol=0, atol=0)


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
        ("cnn:8?depth=inf", (1, 8, 8), "1 or more, not inf"),
        ("cnn:8?bottleneck=4", (1, 8, 8), "has no setting 'bottleneck'"),
        (
            "mlp:8?bottleneck=2.5",
            (1, 8, 8),
            "the units of the linear layer that comes first, 1 or more, not 2.5",
        ),
        ("mlp:8?bottleneck=0", (1, 8, 8), "1 or more, not 0"),
        (
            "mlp:8?bottleneck=8",
            (1, 8, 8),
            "narrows nothing between 64 inputs and 8 units: give a number from 1 to 7",
        ),
        ("mlp:90-9?bottleneck=64", (1, 8, 8), "from 1 to 63"),
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
