"""Output folders, runs to go on with, and folders that hold no run."""

import json
import shutil
from pathlib import Path

import pytest

NO_RUN = ["evaluate", "report", "temperature", "cite", "export"]


def test_a_folder_that_holds_a_run_is_kept(refused, trained, small):
    said = refused("train", "--model", "mlp:4", *small, "--out", trained)
    assert said == "The output folder run exists already: choose another, or go on with it by --resume run."


def test_a_folder_with_spaces_is_quoted_for_the_shell(refused, trained, small):
    trained.rename("my run")
    assert refused("train", "--model", "mlp:4", *small, "--out", "my run").endswith("--resume 'my run'.")


def test_a_folder_that_holds_something_else(refused, small):
    Path("mine").mkdir()
    Path("mine/thesis.tex").write_text("")
    said = refused("train", "--model", "mlp:4", *small, "--out", "mine")
    assert said == "The output folder mine exists already: choose another."


def test_an_empty_folder_is_used(limbeck, small):
    Path("new").mkdir()
    assert limbeck("train", "--model", "mlp:4", *small, "--out", "new").code == 0


@pytest.mark.parametrize(
    ("out", "told"),
    [
        ("file", "The output folder file exists already: choose another."),
        ("file/run", "Cannot make the output folder file/run: Not a directory."),
        ("/proc/limbeck/run", "Cannot make the output folder /proc/limbeck/run: No such file or directory."),
    ],
)
def test_a_folder_that_cannot_be_made(refused, small, out, told):
    Path("file").write_text("")
    assert refused("train", "--model", "mlp:4", *small, "--out", out) == told


def test_the_folder_is_looked_at_before_anything_slow(refused, trained, monkeypatch):
    monkeypatch.setattr("limbeck.recipes.training.open_given", lambda *_: pytest.fail("the data were opened"))
    said = refused("train", "--model", "mlp:4", "--data", "digits", "--out", trained)
    assert "exists already" in said


@pytest.mark.parametrize("words", [[], ["--out", "new", "--resume", "run"]])
def test_either_a_new_folder_or_an_old_one(refused, small, words):
    said = refused("train", "--model", "mlp:4", *small, *words)
    assert said == "Say where the run goes: --out FOLDER for a new one, or --resume FOLDER for an old one."


@pytest.mark.parametrize(("folder", "told"), [("nowhere", "nowhere"), (".", ".")])
def test_going_on_with_what_is_no_run(refused, folder, told):
    assert refused("train", "--resume", folder) == f"There is no run in {told}: it has no config.yaml."


def test_going_on_by_the_wrong_verb(refused, trained):
    said = refused("distill", "--resume", trained)
    assert said == "run is a run of limbeck train: go on with limbeck train --resume run."


def test_going_on_by_the_wrong_verb_with_a_distillation(refused, distilled):
    said = refused("train", "--resume", distilled)
    assert said == "run is a run of limbeck distill: go on with limbeck distill --resume run."


def test_going_on_with_other_settings_says_which(refused, distilled):
    words = ["--epochs", "3", "--temperature", "2", "--set", "train.seed=5", "--student", "mlp:5"]
    said = refused("distill", "--resume", distilled, *words)
    assert "kd.temperature: was None, is 2.0" in said
    assert "student: was 'mlp:4?dropout=0.2', is 'mlp:5'" in said
    assert "train.epochs: was 2, is 3" in said
    assert "train.seed: was 0, is 5" in said
    assert said.endswith("put them back, or start a new run with --out.")


def test_going_on_with_another_config_file(refused, distilled):
    Path("other.yaml").write_text("limit: 50\n")
    said = refused("distill", "other.yaml", "--resume", distilled)
    assert "limit: was 100, is 50" in said


def test_going_on_with_the_same_settings_and_other_circumstances(limbeck, distilled, small):
    before = (distilled / "student.safetensors").read_bytes()
    shutil.rmtree(distilled / "checkpoints" / "student-0")
    circumstances = ["--device", "cpu", "--set", "train.checkpoint_every=3"]
    words = ["--teacher", "mlp:8", *small[:4], *circumstances]
    assert limbeck("distill", "--resume", distilled, *words).code == 0
    assert (distilled / "student.safetensors").read_bytes() == before


def test_going_on_with_changed_data(limbeck, photos):
    """A photo was replaced while the run was stopped: it cannot be the same run any more."""
    folder = photos("photos")
    words = ["--model", "mlp:4", "--data", f"folder:{folder}", "--epochs", "1", "--out", "run"]
    assert limbeck("train", *words).code == 0
    shutil.copy(folder / "b" / "0.png", folder / "a" / "0.png")
    result = limbeck("train", "--resume", "run")
    assert result.code == 2
    assert "cannot be resumed with changed settings (train data" in result.err


def test_a_damaged_checkpoint_is_named(limbeck, trained):
    checkpoint = trained / "checkpoints" / "model-0" / "last.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    result = limbeck("train", "--resume", trained)
    assert result.code == 2
    assert f"{checkpoint} is not a readable checkpoint" in result.err
    assert "delete it to train that part again" in result.err
    checkpoint.unlink()
    assert limbeck("train", "--resume", trained).code == 0


def test_a_checkpoint_without_its_best_weights(limbeck, trained):
    (trained / "checkpoints" / "model-0" / "best.pt").unlink()
    result = limbeck("train", "--resume", trained)
    assert result.code == 2
    assert "run/checkpoints/model-0" in result.err
    assert "delete" in result.err
    shutil.rmtree(trained / "checkpoints" / "model-0")
    assert limbeck("train", "--resume", trained).code == 0


def test_a_damaged_config_of_a_run(refused, trained):
    (trained / "config.yaml").write_text("a: [")
    assert "run/config.yaml is not plain YAML" in refused("train", "--resume", trained)


@pytest.mark.parametrize("verb", NO_RUN)
@pytest.mark.parametrize(
    ("folder", "why"), [("nowhere", "the folder does not exist"), (".", "it has no run.json")]
)
def test_a_folder_that_holds_no_run(refused, verb, folder, why):
    said = refused(verb, folder)
    assert said.startswith(f"No finished run in {folder}: {why}.")
    assert "--resume" in said


@pytest.mark.parametrize("verb", NO_RUN)
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "run/run.json is not JSON"),
        ("[]", "run/run.json"),
        ('{"schema": 9}', "run/run.json has schema 9, and this limbeck reads schema 1"),
        ('{"schema": 1}', "run/run.json"),
        ("\x00\xff", "run/run.json"),
    ],
)
def test_a_damaged_record(refused, trained, verb, text, told):
    (trained / "run.json").write_bytes(text.encode("latin-1"))
    assert told in refused(verb, trained)


@pytest.mark.parametrize("verb", ["evaluate", "temperature", "export"])
def test_a_run_whose_model_is_gone(refused, trained, verb):
    (trained / "model.safetensors").unlink()
    assert "run" in refused(verb, trained)


@pytest.mark.parametrize("verb", ["evaluate", "temperature"])
def test_a_run_whose_data_are_gone(refused, limbeck, photos, verb):
    words = ["--model", "mlp:4", "--data", f"folder:{photos('photos')}", "--epochs", "1", "--out", "run"]
    limbeck("train", *words)
    shutil.rmtree("photos")
    assert "No file or folder 'photos', which data 'folder:photos' asks for." in refused(verb, "run")


def test_other_data_of_other_classes(refused, trained, photos):
    said = refused("evaluate", trained, "--data", f"folder:{photos('photos', 'abc')}")
    assert "made for classification of 10 classes (0, 1, 2, 3, …)" in said
    assert "folder:photos is classification of 3 classes (a, b, c)" in said


def test_other_data_of_another_task(refused, trained):
    assert "sklearn:diabetes is regression" in refused("evaluate", trained, "--data", "sklearn:diabetes")


def test_a_plugin_is_asked_for_again(limbeck, refused, small):
    Path("own.py").write_text(
        "from torch import nn\ndef net(outputs, shape): return nn.Sequential(nn.Flatten(), nn.Linear(64, outputs))\n"
    )
    limbeck("train", "--model", "plugin:net", "--plugin", "own.py", *small, "--out", "run")
    for words in (["evaluate", "run"], ["export", "run"], ["train", "--resume", "run"]):
        assert "plugin:net needs the file that defines net: pass it with --plugin FILE.py." in refused(*words)
    assert limbeck("evaluate", "run", "--plugin", "own.py").code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "Give a run, or a teacher with --teacher, --data and --out."),
        (
            ["--teacher", "mlp:4", "--data", "digits", "--out", "new"],
            "The teacher mlp:4 has no trained weights",
        ),
        (["run", "--temperatures", "1,two"], "--temperatures takes numbers separated by commas"),
        (["run", "--temperatures", ""], "--temperatures takes numbers separated by commas"),
        (["run", "--temperatures", "0"], "A temperature is a finite number above 0, not 0"),
        (["run", "--temperatures", "nan"], "A temperature is a finite number above 0, not nan"),
        (["run", "--search", "--kd-weights", "2"], "weights are between 0 and 1"),
        (["run", "--epochs", "3"], "add --search"),
        (["run", "--search"], "run trained one model: give a distilled run"),
        (["run", "--out", "run/run.json/here"], "Cannot make the output folder"),
    ],
)
def test_a_wrong_look_at_temperatures(refused, trained, words, told):
    assert told in refused("temperature", *words)


def test_temperatures_of_a_regression(refused, limbeck):
    limbeck("train", "--model", "mlp:4", "--data", "sklearn:diabetes", "--epochs", "1", "--out", "run")
    assert "sklearn:diabetes has none" in refused("temperature", "run")


def test_a_role_that_is_not_there(refused, trained):
    said = refused("export", trained, "--role", "modl")
    assert said == "run has no saved model 'modl' (there are: model). Did you mean 'model'?"


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_export_without_its_packages(refused, trained, monkeypatch, package):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    said = refused("export", trained)
    assert said == f"Export needs {package}, which is not installed: run pip install 'limbeck[export]'."


def test_a_report_to_where_nothing_can_be_written(refused, trained):
    Path("file").write_text("")
    shutil.copytree(trained, "other")
    assert "file" in refused("report", trained, "other", "--out", "file/comparison.html")


def test_a_report_of_one_run_and_of_none(refused, trained):
    assert "it has no run.json" in refused("report", trained, ".")


def test_the_demo_does_not_write_over_a_run(refused, trained):
    assert "exists already" in refused("demo", "--out", trained)


def test_the_demo_needs_a_seed(limbeck):
    result = limbeck("demo", "--seeds", "0", "--out", "new")
    assert result.code == 2
    assert "--seeds" in result.err
    assert not Path("new").exists()


@pytest.mark.parametrize("name", ["[red]photos", "a[/b]", "é 😀"])
def test_brackets_in_names_are_no_markup(limbeck, photos, name):
    photos(f"{name}/of")
    out = f"{name}/run"
    words = ["--model", "mlp:4", "--data", f"folder:{name}/of", "--epochs", "1", "--out", out]
    trained = limbeck("train", *words)
    assert trained.code == 0
    assert f"on folder:{name}/of" in trained.out
    assert f"Report: {out}/report.html" in trained.out
    assert f"run:{out}" in trained.out
    assert "of the training time was spent waiting for data" in trained.out
    assert f"Wrote {out}/report.html" in limbeck("report", out).out


def test_a_record_says_what_the_folder_holds(distilled):
    """The fixtures above would hide a run that is only half there."""
    record = json.loads((distilled / "run.json").read_text())
    assert record["kind"] == "distill"
    assert [each["role"] for each in record["models"]] == ["teacher", "alone", "student"]
    assert 0 < record["cost"]["waiting"] < 1
