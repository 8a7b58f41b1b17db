"""Pairs of layers are shown for any two specs, with data or without."""

import io

import pytest
from rich.console import Console

from limbeck.errors import LimbeckError
from limbeck.models import open_model, save_model
from limbeck.recipes.layers import layers

PLUGIN = """
from torch import nn
def mine(outputs, shape):
    stages = [nn.Conv2d(shape[0], 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 6, 3, 2, 1), nn.ReLU(inplace=True)]
    return nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, outputs))
"""


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=120)


def told(console):
    return console.file.getvalue()


def test_two_specs_are_paired_and_shown(console):
    matches = layers("timm:test_vit", "timm:test_resnet", size=64, console=console)
    assert matches.embedding.student == "fc@in"
    shown = told(console)
    for part in ("student: timm:test_resnet, reading 3×64×64", "fc@in", "head@in", "Linear 96→64", "96×2×2",
                 "teacher TokensToMap; Conv 96→64, 2×2→4×4", "map 2", "middle", "map 4", "last"):  # fmt: skip
        assert part in shown
    assert "layer1.0" not in shown


def test_models_read_what_they_were_made_for_where_no_data_is_named(console):
    layers("cnn:4-8", "timm:test_convnext", console=console)
    assert told(console).count("reading 3×160×160") == 2
    layers("cnn:4-8", "cnn:4-8", console=console)
    assert told(console).count("reading 3×32×32") == 2


def test_data_decides_what_is_read_and_how_many_classes_there_are(console):
    matches = layers("cnn:8-16", "cnn:4-8", data="digits", console=console)
    assert "reading 1×8×8" in told(console)
    assert matches.last_map.student_shape == (8, 4, 4)
    matches = layers("mlp:8", "mlp:4", data="sklearn:diabetes")
    assert matches.logits.student_shape == (1,)


def test_every_layer_is_listed_when_asked(console, tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    layers("cnn:4-8", "plugin:mine", everything=True, plugins=[tmp_path / "mine.py"], console=console)
    shown = told(console)
    assert "Every layer of the teacher cnn:4-8 that can be tapped" in shown
    assert "stage1.conv1" in shown
    assert "2@copy" in shown  # the ReLU after it works in place


def test_network_without_maps_is_told(console):
    layers("mlp:8", "cnn:4-8", console=console)
    assert "The teacher Sequential has no feature maps" in told(console)
    assert "map 1" not in told(console)


def test_model_of_a_run_reads_what_it_was_trained_on(tmp_path):
    save_model(tmp_path, "student", open_model("cnn:4-8", outputs=3, shape=(1, 12, 12)))
    matches = layers(f"run:{tmp_path}", "cnn:4-6")
    assert matches.logits.student_shape == matches.logits.teacher_shape == (3,)
    assert matches.last_map.teacher_shape == (8, 6, 6)
    assert matches.last_map.student_shape == (6, 6, 6)


@pytest.mark.parametrize(
    "spec", ["timm:resnet19", "timm:resnet18.nonsense", "torchvision:resnet19", "resnet18", "run:no"]
)
def test_model_that_does_not_exist_is_refused(spec):
    with pytest.raises(LimbeckError):
        layers(spec, "cnn:4-8")
