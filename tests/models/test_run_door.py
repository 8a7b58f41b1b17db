"""``run:DIR``: which model of a run is meant, and what does not agree with the data."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from limbeck.errors import LimbeckError
from limbeck.models import open_model, save_model


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "digits"
    folder.mkdir()
    for role, spec in (("teacher", "cnn:8"), ("student", "cnn:4")):
        model = open_model(spec, outputs=3, shape=(1, 8, 8))
        save_model(folder, role, replace(model, classes=("a", "b", "c")))
    return folder


def test_a_run_names_its_student_and_on_request_its_teacher(run: Path) -> None:
    student = open_model(f"run:{run}", outputs=3, shape=(1, 8, 8), role="teacher")
    teacher = open_model(f"run:{run}#teacher", outputs=3, shape=(1, 8, 8))
    assert (student.name, teacher.name) == ("cnn:4", "cnn:8")
    assert (student.weights, student.classes) == (f"run:{run}#student", ("a", "b", "c"))


def test_a_train_run_names_its_model(tmp_path: Path) -> None:
    made = open_model("mlp:4", outputs=1, shape=(5,))
    save_model(tmp_path, "model", made, task="regression")
    found = open_model(f"run:{tmp_path}", outputs=1, shape=(5,))
    assert torch.equal(found.module.get_submodule("head").weight, made.module.get_submodule("head").weight)


def test_a_colour_data_set_may_use_a_grey_model(run: Path) -> None:
    model = open_model(f"run:{run}", outputs=3, shape=(3, 20, 20))
    assert model.module(model.inputs(torch.zeros(2, 3, 20, 20, dtype=torch.uint8))).shape == (2, 3)


def test_other_classes_than_the_datas_are_told_with_both_counts(run: Path) -> None:
    with pytest.raises(LimbeckError, match=r"has 3 outputs and the data needs 10"):
        open_model(f"run:{run}", outputs=10, shape=(1, 8, 8), role="teacher")


def test_other_samples_than_the_datas_are_told(run: Path) -> None:
    with pytest.raises(LimbeckError, match="was trained on images and the data has samples of 5 features"):
        open_model(f"run:{run}", outputs=3, shape=(5,))


def test_names_that_are_not_there_are_told_with_the_nearest(run: Path) -> None:
    with pytest.raises(LimbeckError, match="Did you mean 'digits'"):
        open_model(f"run:{run.parent / 'digit'}", outputs=3, shape=(1, 8, 8))
    with pytest.raises(LimbeckError, match=r"there are: student, teacher\)\. Did you mean 'teacher'"):
        open_model(f"run:{run}#teachers", outputs=3, shape=(1, 8, 8))
    with pytest.raises(LimbeckError, match="holds no saved model"):
        open_model(f"run:{run.parent}", outputs=3, shape=(1, 8, 8))


def test_a_run_has_its_own_weights_and_size(run: Path) -> None:
    with pytest.raises(LimbeckError, match="leave pretrained out"):
        open_model(f"run:{run}", outputs=3, shape=(1, 8, 8), pretrained=True)
    with pytest.raises(LimbeckError, match="leave the size out"):
        open_model(f"run:{run}", outputs=3, shape=(1, 8, 8), size=16)
