"""The one way in: specs that name nothing, and settings that contradict each other."""

from pathlib import Path

import pytest

from limbeck.errors import LimbeckError
from limbeck.models import open_model


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("resnet18", "Did you mean 'timm:resnet18'?"),
        ("tim:resnet18", "Did you mean 'timm'?"),
        ("cnn", "a model is timm:NAME"),
        ("cnn:", "a model is timm:NAME"),
        ("", "a model is timm:NAME"),
        ("timm:resnet81", "Did you mean 'resnet18'"),
        ("timm:resnet18.no_such_weights", "no weights 'no_such_weights' (there are: "),
        ("timm:hf-hub:someone/something", "timm has no model 'hf-hub:someone/something'"),
        ("torchvision:resnet81", "Did you mean 'resnet18'"),
        ("torchvision:raft_large", "torchvision has no classifier 'raft_large'"),
    ],
)
def test_an_unknown_model_is_told_with_its_nearest(spec: str, told: str) -> None:
    with pytest.raises(LimbeckError) as caught:
        open_model(spec, outputs=2, shape=(1, 8, 8))
    assert told in str(caught.value)


def test_a_run_folder_without_its_door_is_recognised(tmp_path: Path) -> None:
    with pytest.raises(LimbeckError) as caught:
        open_model(str(tmp_path), outputs=2, shape=(1, 8, 8))
    assert f"write 'run:{tmp_path}'" in str(caught.value)


def test_weights_from_two_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LimbeckError, match=r"pretrained weights and with .*: give one of the two"):
        open_model("timm:resnet18", outputs=2, shape=(3, 8, 8), pretrained=True, weights=tmp_path / "a.pt")
    with pytest.raises(LimbeckError, match="its run's weights"):
        open_model("run:somewhere", outputs=2, shape=(3, 8, 8), weights=tmp_path / "a.pt")


@pytest.mark.parametrize("size", [0, -3, (8, 0)])
def test_a_size_without_pixels_is_refused(size: int | tuple[int, int]) -> None:
    with pytest.raises(LimbeckError, match="1 or more"):
        open_model("cnn:4", outputs=2, shape=(1, 8, 8), size=size)
