import json

import pytest
from torch import nn

from limbeck import distill
from limbeck.cli import main
from limbeck.recipes.evaluation import _told_mistakes


@pytest.fixture
def quick(monkeypatch):
    """Time models for a moment only."""
    from limbeck.recipes import evaluation

    measured = evaluation.cost
    monkeypatch.setattr(evaluation, "cost", lambda module, example: measured(module, example, seconds=0.01))


def read(folder, name="evaluation.json"):
    return json.loads((folder / name).read_text())


def scores(found, role):
    return next(each["scores"] for each in found["models"] if each["role"] == role)


def test_a_run_scores_what_it_scored_when_it_was_trained(distilled, quick, capsys):
    assert main(["evaluate", str(distilled)]) == 0
    found, record = read(distilled), read(distilled, "run.json")
    for name, value in scores(found, "teacher").items():
        assert value == pytest.approx(scores(record, "teacher")[name]["values"][0], abs=1e-6)
    for name, value in scores(found, "student").items():
        values = scores(record, "student")[name]["values"]
        assert min(abs(value - each) for each in values) < 1e-6
    assert found["fidelity"]["agreement"] == pytest.approx(record["fidelity"]["agreement"], abs=1e-6)
    assert found["fidelity"]["kl"] == pytest.approx(record["fidelity"]["kl"], abs=1e-6)
    assert not found["data"]["changed"]
    told = capsys.readouterr().out
    for word in (
        "accuracy",
        "calibration error",
        "parameters",
        "MACs",
        "latency",
        "agree on",
        "evaluation.json",
    ):
        assert word in told
    assert "no longer" not in told


def test_mistakes_are_counted_on_the_test_part(distilled, quick, capsys):
    assert main(["evaluate", str(distilled)]) == 0
    found = read(distilled)
    told, samples = found["mistakes"], found["data"]["test"]
    assert told["samples"] == samples
    assert told["teacher"] == round((1 - scores(found, "teacher")["accuracy"]) * samples)
    assert told["student"] == round((1 - scores(found, "student")["accuracy"]) * samples)
    assert told["teacher"] == told["inherited"] + told["otherwise"] + told["corrected"]
    assert told["student"] == told["inherited"] + told["otherwise"] + told["new"]
    assert told["shares"]["inherited"] == pytest.approx(told["inherited"] / told["teacher"])
    assert told["teacher"] * told["student"] * told["new"] > 0  # else all of this would hold of nothing
    line = " ".join(capsys.readouterr().out.split())
    assert f"Of the teacher's {told['teacher']} mistakes the student inherits {told['inherited']} (" in line
    assert f"it makes {told['new']} of its own." in line


@pytest.mark.parametrize(
    ("scheme", "teacher", "taught_by", "called"),
    [
        ({"name": "Assistant", "assistants": ["mlp:6"]}, "mlp:8", "assistant-1", "assistant"),
        ({"name": "Assistant", "assistants": ["mlp:7", "mlp:6"]}, "mlp:8", "assistant-2", "last assistant"),
        ({"name": "BornAgain", "generations": 2}, "mlp:8", "generation", "generation before"),
        ({"name": "BornAgain"}, None, "generation", "generation before"),
        ({"name": "BornAgain"}, "mlp:8", "teacher", "teacher"),
    ],
)
def test_mistakes_are_those_of_whoever_taught(tmp_path, quick, capsys, scheme, teacher, taught_by, called):
    """Of two students the better one, and its own teacher."""
    settings = {"seeds": 2, "epochs": 2, "lr": 0.05, "limit": 200, "scheme": scheme}
    distill(teacher, "mlp:4", "digits", tmp_path / "run", **settings)
    assert main(["evaluate", str(tmp_path / "run")]) == 0
    found, record = read(tmp_path / "run"), read(tmp_path / "run", "run.json")
    assert found["taught_by"] == taught_by
    wrong = round((1 - scores(found, taught_by)["accuracy"]) * found["data"]["test"])
    assert found["mistakes"]["teacher"] == wrong == record["fidelity"]["mistakes"]["teacher"]
    assert found["fidelity"]["agreement"] == pytest.approx(record["fidelity"]["agreement"], abs=1e-6)
    told = " ".join(capsys.readouterr().out.split())
    assert f"Fidelity: {called} and student agree on" in told
    assert f"Of the {called}'s {wrong} mistakes the student inherits" in told


def test_an_assistant_of_a_teacher_from_python_is_measured(tmp_path, quick, capsys):
    teacher = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    scheme = {"name": "Assistant", "assistants": ["mlp:6"]}
    settings = {"seeds": 1, "epochs": 1, "limit": 200, "alone": False, "scheme": scheme}
    distill(teacher, "mlp:4", "digits", tmp_path / "run", **settings)
    assert main(["evaluate", str(tmp_path / "run")]) == 0
    assert "The teacher is left out." in capsys.readouterr().out
    found = read(tmp_path / "run")
    assert [each["role"] for each in found["models"]] == ["assistant-1", "student"]
    assert found["mistakes"]["samples"] == found["data"]["test"]


def test_a_teacher_without_mistakes_is_told_so():
    told = {"teacher": 0, "new": 3, "samples": 10}
    assert _told_mistakes(told) == "The teacher makes no mistake on these samples; the student makes 3."


def test_cost_is_that_of_the_record(distilled, quick):
    assert main(["evaluate", str(distilled)]) == 0
    for each, before in zip(
        read(distilled)["models"],
        [each for each in read(distilled, "run.json")["models"] if each["role"] != "alone"],
        strict=True,
    ):
        for key in ("role", "name", "parameters", "macs", "bytes"):
            assert each[key] == before[key]


def test_regression_is_scored_on_the_targets_scale(regression, quick, capsys):
    assert main(["evaluate", str(regression)]) == 0
    recorded = scores(read(regression, "run.json"), "model")["rmse"]["values"][0]
    assert scores(read(regression), "model")["rmse"] == pytest.approx(recorded, abs=1e-3)
    assert read(regression)["mistakes"] is None
    assert recorded > 10  # the targets' own unit, not standard deviations
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[3:6]] == ["RMSE", "MAE", "R²"]  # what decides comes first


def test_other_data_with_the_same_classes(distilled, digits_as_idx, quick):
    assert main(["evaluate", str(distilled), "--data", f"idx:{digits_as_idx}"]) == 0
    found, record = read(distilled), read(distilled, "run.json")
    # the same test images through another door
    expected = scores(record, "teacher")["accuracy"]["values"][0]
    assert scores(found, "teacher")["accuracy"] == pytest.approx(expected, abs=1e-6)
    assert found["data"]["name"] == f"idx:{digits_as_idx}"
    assert not found["data"]["changed"]


def test_other_classes_are_refused(distilled, capsys):
    assert main(["evaluate", str(distilled), "--data", "sklearn:diabetes"]) == 2
    told = capsys.readouterr().err
    assert "10 classes (0, 1, 2, 3, …)" in told
    assert "sklearn:diabetes is regression" in told
    assert not (distilled / "evaluation.json").exists()


def test_data_that_changed_since_is_told(distilled, quick, capsys):
    record = read(distilled, "run.json")
    record["data"]["fingerprint"] = "0" * 64
    (distilled / "run.json").write_text(json.dumps(record))
    assert main(["evaluate", str(distilled)]) == 0
    assert "is no longer what the run read" in capsys.readouterr().out
    assert read(distilled)["data"]["changed"]


def test_weights_that_are_not_the_runs_are_refused(distilled, capsys):
    weights = distilled / "student.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\x00\x00\x80\x3f")
    assert main(["evaluate", str(distilled)]) == 2
    assert "sha256 differs" in capsys.readouterr().err
    assert not (distilled / "evaluation.json").exists()


def test_a_folder_without_a_finished_run_is_refused(distilled, capsys):
    (distilled / "run.json").unlink()
    assert main(["evaluate", str(distilled)]) == 2
    assert "it has no run.json" in capsys.readouterr().err


def test_a_teacher_from_python_is_left_out_and_the_student_measured(tmp_path, quick, capsys):
    teacher = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    distill(teacher, "mlp:8", "digits", tmp_path / "run", seeds=1, epochs=1, limit=200, alone=False)
    assert main(["evaluate", str(tmp_path / "run")]) == 0
    assert "The teacher is left out. The teacher of" in capsys.readouterr().out
    found = read(tmp_path / "run")
    assert [each["role"] for each in found["models"]] == ["student"]
    assert found["fidelity"] is None
    assert found["mistakes"] is None


def test_a_student_from_python_is_refused(python_student, capsys):
    assert main(["evaluate", str(python_student)]) == 2
    assert "was a Python object" in capsys.readouterr().err


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    """A run whose student was taught by a network from another run and by one that it trained itself."""
    place = tmp_path_factory.mktemp("panel")
    words = ["--data", "digits", "--limit", "300", "--epochs", "2", "--lr", "0.02"]
    assert main(["train", "--model", "mlp:12", *words, "--out", str(place / "first")]) == 0
    several = ["--scheme", "SeveralTeachers", "--teacher", f"run:{place / 'first'}", "--teacher", "cnn:4"]
    students = ["--student", "mlp:6", "--seeds", "1", "--no-alone", "--out", str(place / "run")]
    assert main(["distill", *several, *students, *words]) == 0
    return place


def test_several_teachers_are_put_together_again(panel, quick, capsys):
    assert main(["evaluate", str(panel / "run")]) == 0
    found, record = read(panel / "run"), read(panel / "run", "run.json")
    teacher, student = found["models"]
    recorded = next(each for each in record["models"] if each["networks"] == 2)
    assert (teacher["role"], teacher["name"], student["role"]) == ("teacher", "Ensemble of 2", "student")
    for name in ("parameters", "macs", "bytes"):
        assert teacher[name] == recorded[name]
    for name, value in teacher["scores"].items():
        assert value == pytest.approx(recorded["scores"][name]["mean"], abs=1e-6)
    assert {key: found["mistakes"][key] for key in record["fidelity"]["mistakes"]} == record["fidelity"][
        "mistakes"
    ]
    assert "Of the teacher's" in " ".join(capsys.readouterr().out.split())


def test_a_teacher_of_which_a_part_is_gone_is_left_out_in_words(panel, quick, capsys):
    gone = panel / "run" / "teacher-2.safetensors"
    moved = gone.rename(panel / "elsewhere")
    try:
        assert main(["evaluate", str(panel / "run")]) == 0
    finally:
        moved.rename(gone)
    found, told = read(panel / "run"), " ".join(capsys.readouterr().out.split())
    assert [each["role"] for each in found["models"]] == ["student"]
    assert found["fidelity"] is None
    assert "The teacher is left out." in told
    assert "teacher-2.safetensors is missing beside its card" in told


def test_a_teacher_that_knows_other_classes_now_is_left_out_in_words(panel, quick, capsys):
    card = panel / "run" / "teacher-2.json"
    before = card.read_text()
    facts = json.loads(before)
    card.write_text(json.dumps({**facts, "classes": facts["classes"][::-1]}))
    try:
        assert main(["evaluate", str(panel / "run")]) == 0
    finally:
        card.write_text(before)
    assert read(panel / "run")["fidelity"] is None
    told = " ".join(capsys.readouterr().out.split())
    assert "The teacher is left out. teacher-2 of" in told
    assert "The run's own report has what was measured then." in told
