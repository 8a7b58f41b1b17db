"""Several teachers in schemes that are not about several teachers."""

import pytest

import limbeck
from limbeck import LimbeckError

SMALL = {"limit": 80, "epochs": 1, "seeds": 1, "alone": False}


def test_an_ensemble_teaches_where_one_teacher_would(tmp_path):
    run = limbeck.distill(
        ["cnn:4", "mlp:8"], "mlp:4", "digits", tmp_path / "run", scheme="SemiSupervised", labels=0.5, **SMALL
    )
    teachers = [each for each in run.record.models if each.role == "teacher"]
    assert [each.name for each in teachers] == ["cnn:4", "mlp:8", "Ensemble of 2"]
    assert run.record.model("teacher").parameters == sum(each.parameters for each in teachers[:2])


def test_every_sample_is_counted_for_every_teacher(tmp_path):
    one = limbeck.distill("mlp:8", "mlp:4", "digits", tmp_path / "one", scheme="ShortLessons", **SMALL)
    two = limbeck.distill(
        ["mlp:8", "mlp:8"], "mlp:4", "digits", tmp_path / "two", scheme="ShortLessons", **SMALL
    )
    assert two.record.cost.teacher_forwards == 2 * one.record.cost.teacher_forwards > 0


def test_a_scheme_of_one_teacher_names_the_way_out(tmp_path):
    with pytest.raises(
        LimbeckError, match=r"Offline takes one teacher, but 2 were given: .* SeveralTeachers"
    ):
        limbeck.distill(["mlp:8", "mlp:8"], "mlp:4", "digits", tmp_path / "run", **SMALL)
    assert not (tmp_path / "run").exists()


def test_features_are_those_of_the_first_teacher(tmp_path):
    run = limbeck.distill(
        ["cnn:4-8", "mlp:8"], "cnn:2-4", "digits", tmp_path / "run", scheme="SeveralTeachers",
        loss="AttentionTransfer", **SMALL,
    )  # fmt: skip
    assert (run.folder / "student.safetensors").exists()


def test_simkd_needs_one_classifier(tmp_path):
    with pytest.raises(
        LimbeckError, match="which several teachers have not one of: take it with one teacher"
    ):
        limbeck.distill(
            ["cnn:4-8", "cnn:4-8"], "cnn:2-4", "digits", tmp_path / "run", scheme="SeveralTeachers",
            loss="SimKD", **SMALL,
        )  # fmt: skip
