"""What can be taught, by its name: listed, described, and trained with."""

import json
from pathlib import Path

import pytest
import torch

from limbeck.models import load_model
from limbeck.recipes.knowledge import LOSSES

HERE = ["--teacher", "cnn:8-12", "--student", "cnn:4-6", "--data", "digits", "--limit", "60", "--seeds", "1"]
QUICK = [*HERE, "--epochs", "2", "--no-alone", "--set", "teacher_train.epochs=1"]
CLASSES = [name for name in LOSSES if name != "BoundedRegression"]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A trained teacher whose classifier can be borrowed."""
    from limbeck.recipes import train

    folder = tmp_path_factory.mktemp("teacher") / "run"
    train("cnn:8-12", "digits", folder, epochs=1, limit=60)
    return folder


def student(run):
    record = json.loads((Path(run) / "run.json").read_text())
    return next(each for each in record["models"] if each["role"] == "student")


@pytest.mark.parametrize("name", CLASSES)
def test_every_loss_is_trained_with_by_its_name(limbeck, teacher, name):
    words = ["--teacher", f"run:{teacher}", *HERE[2:], "--epochs", "2", "--no-alone"]
    found = limbeck("distill", *words, "--loss", name, "--out", "run")
    assert found.code == 0, found.err
    assert 0 <= student("run")["scores"]["accuracy"]["mean"] <= 1
    assert f"loss: {name}" in Path("run/config.yaml").read_text()
    cited = limbeck("cite", "run")
    assert f"loss:{name}" in cited.out


def test_regression_is_taught_with_bounds(limbeck):
    words = ["--teacher", "mlp:8", "--student", "mlp:4", "--data", "sklearn:diabetes", "--limit", "60"]
    rest = ["--seeds", "1", "--epochs", "1", "--no-alone", "--loss", "BoundedRegression", "--out", "run"]
    assert limbeck("distill", *words, *rest).code == 0
    refused = limbeck("distill", *HERE, "--loss", "BoundedRegression", "--out", "other")
    assert refused.code == 2
    assert "BoundedRegression is for regression" in refused.err
    assert not Path("other").exists()


def test_a_borrowing_student_is_a_model_of_its_own(limbeck, teacher):
    words = ["--teacher", f"run:{teacher}", *HERE[2:], "--epochs", "2", "--no-alone", "--loss", "SimKD"]
    assert limbeck("distill", *words, "--out", "run").code == 0
    shipped = load_model("run", "student")
    assert torch.equal(shipped.module.classifier.weight, load_model(teacher, "model").module.head.weight)
    assert not [name for name in shipped.module.state_dict() if name.startswith("student.head")]
    assert limbeck("evaluate", "run").code == 0
    again = limbeck(
        "distill", "--teacher", "run:run", *HERE[2:], "--epochs", "1", "--no-alone", "--out", "next"
    )
    assert again.code == 0, again.err


def test_stages_are_in_the_history_and_resume_finds_them(limbeck):
    assert limbeck("distill", *QUICK, "--loss", "FitNets", "--out", "run").code == 0
    rows = Path("run/history.csv").read_text().splitlines()
    assert "stage" in rows[0]
    assert [word for row in rows for word in row.split(",") if word in ("hints", "distillation")] == [
        "hints",
        "distillation",
    ]
    assert sorted(each.name for each in Path("run/checkpoints/student-0").iterdir()) == [
        "0-hints",
        "1-distillation",
    ]


def test_several_losses_layers_schedules_and_weights_from_flags(limbeck):
    said = limbeck(
        "distill", *QUICK, "--loss", "KD", "--temperature", "linear(8, 2)", "--kd-weight", "cosine(0.9, 0.1)",
        "--task-weight", "0.5", "--also", "RKDDistance=25", "--also", "SimilarityPreserving", "--out", "run",
    )  # fmt: skip
    assert said.code == 0, said.err
    header = Path("run/history.csv").read_text().splitlines()[0]
    assert all(f"loss_{name}" in header for name in ("task", "KD", "RKDDistance", "SimilarityPreserving"))
    assert (
        limbeck("distill", *QUICK, "--loss", "FitNets", "--pair", "stage1=stage2", "--out", "pair").code == 0
    )
    repeated = limbeck("distill", "run/config.yaml", "--out", "again")
    assert repeated.code == 0, repeated.err
    assert student("again")["scores"]["accuracy"] == student("run")["scores"]["accuracy"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--loss", "FitNets", "--pair", "stage1=stage9"], "stage9"),
        (["--loss", "FitNets", "--pair", "stage1"], "STUDENT=TEACHER"),
        (["--also", "RKDDistanc=25"], "Did you mean 'RKDDistance'"),
        (["--also", "RKDDistance=-1"], "at least 0"),
        (["--kd-weight", "linear(1)"], "lacks a value"),
        (["--kd-weight", "much"], "neither a number nor a schedule"),
        (["--temperature", "linear(4, 0)"], "above 0"),
        (["--loss", "DKD", "--set", "kd.options.non_target_weigth=2"], "Did you mean 'non_target_weight'"),
        (["--loss", "DKD", "--set", "kd.options.non_target_weight=-2"], "non_target_weight"),
        (["--loss", "CRD", "--set", "kd.options.samples=5"], "no setting 'samples'"),
        (["--loss", "FitNets", "--epochs", "1"], "need at least 2 epochs"),
        (["--loss", "KD", "--set", "kd.first_stage=0.5"], "has no first_stage"),
        (["--loss", "FactorTransfer", "--set", "kd.first_stage=0"], "must learn from the teacher first"),
        (["--loss", "SimKD", "--task-weight", "1", "--kd-weight", "1"], "no classifier of its own"),
    ],
)
def test_wrong_lessons_are_refused_before_anything_is_trained(limbeck, words, said):
    found = limbeck("distill", *HERE, "--epochs", "2", *words, "--out", "new")
    assert found.code == 2
    assert said in found.err
    assert "Traceback" not in found.err
    assert not Path("new").exists()


def test_networks_without_maps_are_told_so(limbeck):
    words = ["--teacher", "mlp:8", "--student", "mlp:4", "--data", "digits", "--out", "new"]
    found = limbeck("distill", *words, "--loss", "AttentionTransfer")
    assert found.code == 2
    assert "AttentionTransfer" in found.err
    assert "no feature maps" in found.err


def test_losses_are_listed_and_described(limbeck):
    listed = limbeck("losses").out
    assert all(name in listed for name in LOSSES)
    told = limbeck("losses", "DKD").out
    assert told.startswith("DKD(temperature=4.0, target_weight=1.0, non_target_weight=8.0)")
    assert "2203.08679" in told
    refused = limbeck("losses", "DKKD")
    assert refused.code == 2
    assert "Did you mean 'DKD'" in refused.err


def test_layers_are_proposed(limbeck):
    shown = limbeck("layers", "--teacher", "cnn:8-12", "--student", "cnn:4-6", "--data", "digits").out
    assert "stage1" in shown
    assert "head@in" in shown
    assert "Conv 4→8" in shown
