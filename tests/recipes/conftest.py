"""Small finished runs, trained once for all tests; each test gets its own copy."""

import shutil
import struct

import pytest
import torch
from torch import nn

from limbeck import distill
from limbeck.data import open_data
from limbeck.recipes import train


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def distilled_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "distilled"
    settings = {"loss": "KD", "seeds": 2, "epochs": 4, "lr": 0.01, "limit": 500}
    distill("mlp:16", "mlp:8", "digits", folder, **settings)
    return folder


@pytest.fixture(scope="session")
def regression_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "regression"
    train("mlp:8", "sklearn:diabetes", folder, epochs=3, lr=0.01)
    return folder


@pytest.fixture(scope="session")
def python_student(tmp_path_factory):
    """A run whose student was a module, which nobody can build again from the folder."""
    folder = tmp_path_factory.mktemp("runs") / "python"
    student = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    distill("mlp:8", student, "digits", folder, seeds=1, epochs=1, limit=200, alone=False)
    return folder


@pytest.fixture
def distilled(distilled_once, tmp_path):
    return shutil.copytree(distilled_once, tmp_path / "distilled")


@pytest.fixture
def regression(regression_once, tmp_path):
    return shutil.copytree(regression_once, tmp_path / "regression")


@pytest.fixture
def digits_as_idx(tmp_path):
    """The digits' test part as the test files of an idx folder."""
    data, folder = open_data("digits"), tmp_path / "idx"
    folder.mkdir()
    for prefix, part in (("train", data.train), ("t10k", data.test)):
        images = torch.stack([data.source.read(int(index))[0] for index in part])
        labels = data.source.targets[part].to(torch.uint8)
        header = struct.pack(">4B3I", 0, 0, 8, 3, *images.shape)
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(header + images.numpy().tobytes())
        header = struct.pack(">4BI", 0, 0, 8, 1, len(labels))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(header + labels.numpy().tobytes())
    return folder
