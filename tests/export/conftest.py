"""Small networks with weights that training could have given."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from limbeck.data.transforms import InputTransform, Standardise
from limbeck.export import Exported, export_onnx

CLASSES = ("zero", "één", "二")


@pytest.fixture(scope="session")
def images() -> SimpleNamespace:
    """A convolutional model for 8×6 images in colour, whose BatchNorm statistics are not the initial ones."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )
    network(torch.randn(16, 3, 8, 6) * 3 + 1)
    inputs = InputTransform((8, 6), 3, (0.1, 0.4, 0.7), (0.2, 0.3, 0.4))
    return SimpleNamespace(module=network, name="cnn:4", inputs=inputs, classes=CLASSES)


@pytest.fixture(scope="session")
def features() -> SimpleNamespace:
    """A linear model of two features on very different scales."""
    torch.manual_seed(0)
    inputs = Standardise((100.0, -0.01), (50.0, 0.001))
    return SimpleNamespace(module=nn.Linear(2, 1), name="mlp:1", inputs=inputs, classes=None)


@pytest.fixture(scope="session")
def exported(images, tmp_path_factory) -> Exported:
    """The image model as a file; the data's images are grey and of another size."""
    path = tmp_path_factory.mktemp("exported") / "deep" / "student.onnx"
    return export_onnx(images, path, example=torch.zeros(1, 1, 12, 12, dtype=torch.uint8))
