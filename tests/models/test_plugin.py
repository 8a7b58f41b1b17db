"""``--plugin file.py``: executed once, and every mistake inside it told in a sentence."""

import sys
from pathlib import Path

import pytest
import torch

from limbeck.errors import LimbeckError
from limbeck.models import Model, load_model, open_model, save_model

GOOD = """
from torch import nn
import pathlib
with open(pathlib.Path(__file__).with_suffix(".log"), "a") as log: log.write("executed ")

def tiny(outputs, shape):
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], outputs))

def narrow(outputs, shape):
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], 2))

def broken(outputs, shape):
    raise RuntimeError("out of ideas")

def wrong(outputs, shape):
    return "a network"

def misfit(outputs, shape):
    return nn.Linear(5, outputs)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(GOOD)
    return path


def opened(name: str, file: Path) -> Model:
    return open_model(f"plugin:{name}", outputs=5, shape=(1, 8, 8), plugins=[file])


def test_a_persons_own_network_is_opened_saved_and_loaded(file: Path, tmp_path: Path) -> None:
    model = opened("tiny", file)
    assert model.module(model.inputs(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))).shape == (2, 5)
    save_model(tmp_path, "student", model)
    with pytest.raises(
        LimbeckError, match=r"plugin:tiny needs the file that defines tiny: pass it with --plugin"
    ):
        load_model(tmp_path, "student")
    back = open_model(f"run:{tmp_path}", outputs=5, shape=(1, 8, 8), plugins=[file])
    assert torch.equal(back.module[1].weight, model.module[1].weight)


def test_a_file_is_executed_once_until_it_changes(file: Path) -> None:
    opened("tiny", file)
    opened("tiny", file)
    assert file.with_suffix(".log").read_text() == "executed "
    file.write_text(GOOD + "\nlater = tiny\n")
    opened("later", file)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("tinny", "No function 'tinny' in {file}. Did you mean 'tiny'"),
        ("narrow", "plugin:narrow returns (1, 2) for one sample of shape (1, 8, 8); it must be (1, 5)"),
        ("broken", "failed when called as broken(5, (1, 8, 8)): RuntimeError: out of ideas"),
        ("wrong", "returned an object of type str; it must return a torch.nn.Module"),
        ("misfit", "fails on one sample of shape (1, 8, 8): RuntimeError"),
    ],
)
def test_mistakes_of_a_function_are_told(name: str, told: str, file: Path) -> None:
    with pytest.raises(LimbeckError) as caught:
        opened(name, file)
    assert told.format(file=file) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def f(:\n", "failed at line 1: SyntaxError"),
        ("x = 1\ny = x / 0\n", "failed at line 2: ZeroDivisionError"),
        (
            "import no_such_module\n",
            "failed at line 1: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("import sys\nsys.exit(3)\n", "failed at line 2: SystemExit"),
    ],
)
def test_mistakes_of_a_file_are_told_with_their_line(text: str, told: str, file: Path) -> None:
    file.write_text(text)
    before = set(sys.modules)
    with pytest.raises(LimbeckError) as caught:
        opened("tiny", file)
    assert told in str(caught.value)
    assert not any(each.startswith("limbeck_plugin_mine") for each in set(sys.modules) - before)


def test_what_is_no_python_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(LimbeckError, match="is no Python file"):
        opened("tiny", tmp_path / "none.py")
    with pytest.raises(LimbeckError, match="is no Python file"):
        opened("tiny", tmp_path)
    with pytest.raises(LimbeckError, match="no pretrained weights"):
        open_model("plugin:tiny", outputs=5, shape=(1, 8, 8), pretrained=True)
