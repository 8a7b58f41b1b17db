import json
import sys

import numpy as np
import pytest
import torch

from limbeck.cli import main
from limbeck.data import open_data
from limbeck.export import open_package, predict_onnx, read_card
from limbeck.export.parity import Parity
from limbeck.models import load_model


def record(folder):
    return json.loads((folder / "run.json").read_text())


def test_the_student_answers_as_in_torch_and_knows_its_classes(distilled, capsys):
    before = record(distilled)
    assert main(["export", str(distilled)]) == 0
    data = open_data("digits")
    images = torch.stack([data.source.read(int(index)) for index in data.test[:20]])
    model = load_model(distilled, "student")
    with torch.no_grad():
        wanted = model.module.eval()(model.inputs(images)).numpy()
    for file in (distilled / "student.onnx", distilled / "package"):
        np.testing.assert_allclose(predict_onnx(file, images.numpy()), wanted, atol=1e-4)
    assert read_card(distilled / "student.onnx")["classes"] == list(data.classes)
    assert open_package(distilled / "package")[1]["task"] == "classification"
    after = record(distilled)
    assert after["exported"]["file"] == "student.onnx"
    assert 0 <= after["exported"]["max_difference"] < 1e-3
    assert {**after, "exported": None} == before
    assert "student.onnx" in (distilled / "report.html").read_text()
    assert "computes the same as PyTorch" in capsys.readouterr().out


def test_exporting_again_replaces(distilled):
    assert main(["export", str(distilled)]) == 0
    first = (distilled / "student.onnx").read_bytes()
    assert main(["export", str(distilled)]) == 0
    assert (distilled / "student.onnx").read_bytes() == first


def test_the_teacher_goes_beside_the_student(distilled):
    before = record(distilled)
    assert main(["export", str(distilled), "--role", "teacher"]) == 0
    assert read_card(distilled / "teacher.onnx")["model"] == "mlp:16"
    assert open_package(distilled / "package-teacher")
    assert record(distilled) == before  # which tells of what the run was made for
    assert not (distilled / "package").exists()


def test_regression_answers_on_the_targets_scale(regression):
    assert main(["export", str(regression)]) == 0
    data = open_data("sklearn:diabetes")
    rows = torch.stack([data.source.read(int(index)) for index in data.test])
    model = load_model(regression, "model")
    with torch.no_grad():
        wanted = model.module.eval()(model.inputs(rows)).flatten().numpy()
    given = predict_onnx(regression / "model.onnx", rows.numpy())
    np.testing.assert_allclose(given, wanted, rtol=1e-4)
    assert 100 < given.mean() < 200  # the mean of the targets is 152
    assert read_card(regression / "model.onnx")["task"] == "regression"
    assert record(regression)["exported"]["file"] == "model.onnx"


def test_a_missing_extra_is_told(distilled, monkeypatch, capsys):
    before = record(distilled)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert main(["export", str(distilled)]) == 2
    assert "pip install 'limbeck[export]'" in capsys.readouterr().err
    assert not (distilled / "student.onnx").exists()
    assert record(distilled) == before


def test_a_file_that_computes_something_else_is_refused(distilled, monkeypatch, capsys):
    before = record(distilled)
    wrong = Parity(max_difference=1.0, scale=2.0, tolerance=1e-3, batches=(1, 2, 5))
    monkeypatch.setattr("limbeck.export.onnx.measure_parity", lambda *_: wrong)
    assert main(["export", str(distilled)]) == 2
    assert "differs from PyTorch by up to 1" in capsys.readouterr().err
    assert not (distilled / "student.onnx").exists()
    assert not (distilled / "package").exists()
    assert record(distilled) == before


def test_a_python_object_is_refused(python_student, capsys):
    assert main(["export", str(python_student)]) == 2
    assert "was a Python object" in capsys.readouterr().err
    assert not (python_student / "student.onnx").exists()


@pytest.mark.parametrize(
    ("role", "told"), [("studnet", "Did you mean 'student'?"), ("alone", "there are: student, teacher")]
)
def test_a_role_that_was_not_saved_is_refused(distilled, capsys, role, told):
    assert main(["export", str(distilled), "--role", role]) == 2
    assert told in capsys.readouterr().err
