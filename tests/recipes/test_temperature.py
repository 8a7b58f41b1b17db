import html
import json
import math
import re
import shlex
import shutil
from pathlib import Path

import pytest
import torch

from limbeck import distill
from limbeck.cli import main
from limbeck.data import Views, open_data
from limbeck.functional import entropy
from limbeck.models import load_model
from limbeck.recipes import temperature_search
from limbeck.report.temperature import RULE
from limbeck.train.interrupt import Interrupted


def read(folder, name="temperature.json"):
    return json.loads((folder / name).read_text())


SEARCH = ["--search", "--temperatures", "1,8", "--kd-weights", "0.5", "--epochs", "1"]


@pytest.fixture(scope="module")
def searched_once(distilled_once, tmp_path_factory):
    folder = shutil.copytree(distilled_once, tmp_path_factory.mktemp("searched") / "run")
    assert main(["temperature", str(folder), *SEARCH]) == 0
    return folder


@pytest.fixture
def searched(searched_once, tmp_path):
    """A run with a search; as the folder is another, each training in it is found by where it lies."""
    return shutil.copytree(searched_once, tmp_path / "searched")


def test_the_look_tells_what_the_teacher_says_of_validation(distilled, capsys):
    assert main(["temperature", str(distilled), "--temperatures", "1,4,16"]) == 0
    found = read(distilled)
    data, teacher = open_data("digits", limit=500), load_model(distilled, "teacher")
    images = torch.stack([data.source.read(int(index)) for index in data.validation])
    with torch.no_grad():
        logits = teacher.module.eval()(teacher.inputs(images))
    for row, temperature in zip(found["rows"], (1, 4, 16), strict=True):
        assert row["temperature"] == temperature
        assert row["entropy"] == pytest.approx(float(entropy(logits, temperature).mean()), abs=1e-5)
    assert found["samples"] == len(data.validation)
    told = capsys.readouterr().out
    assert RULE in told
    assert f"{found['rows'][1]['effective_classes']:.2f}" in told
    assert str(distilled / "temperature.html") in told


def test_samples_are_shown_from_a_typical_to_the_least_certain(distilled):
    assert main(["temperature", str(distilled), "--temperatures", "1,4"]) == 0
    data, examples = open_data("digits", limit=500), read(distilled)["examples"]
    validation = set(data.validation.tolist())
    for example in examples:
        assert example["index"] in validation
        assert example["true"] == data.classes[int(data.source.targets[example["index"]])]
        assert example["true"] in example["classes"]
        assert example["picture"].startswith("data:image/png;base64,")
        for shares in example["shares"]:
            assert sum(shares) == pytest.approx(1, abs=1e-5)  # all ten classes are shown
        assert example["shares"][0] == sorted(example["shares"][0], reverse=True)
    softer = [-sum(share * math.log(share) for share in example["shares"][0]) for example in examples]
    assert softer == sorted(softer)


def test_the_page_needs_nothing_but_itself(distilled):
    assert main(["temperature", str(distilled)]) == 0
    page = (distilled / "temperature.html").read_text()
    assert page.count("<svg role") >= 6  # entropy, shares, four samples
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert RULE in page


def test_a_trained_model_is_looked_at_as_a_teacher_on_other_data(distilled, digits_as_idx, tmp_path):
    look = tmp_path / "look"
    words = ["--teacher", f"run:{distilled}#teacher", "--data", f"idx:{digits_as_idx}", "--out", str(look)]
    assert main(["temperature", *words]) == 0
    assert read(look)["data"] == f"idx:{digits_as_idx}"
    assert (look / "temperature.html").is_file()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--teacher", "mlp:8"], "mlp:8 has no trained weights"),
        (["--temperatures", "1,0"], "above 0, not 0"),
        (["--temperatures", "1,x"], "--temperatures takes numbers separated by commas"),
        (["--temperatures", "inf"], "above 0, not inf"),
        (["--search", "--kd-weights", "1.5"], "between 0 and 1"),
        (["--epochs", "2"], "add --search"),
        (["--teacher-pretrained"], "name it with --teacher"),
        (["--data", "sklearn:diabetes"], "give data with the same classes"),
        (["--search", "--seeds", "0"], "seeds"),
        (["--out", "/dev/null/x"], "Cannot make the output folder"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(distilled, capsys, words, told):
    before = sorted(distilled.rglob("*"))
    assert main(["temperature", str(distilled), *words]) == 2
    assert told in capsys.readouterr().err
    assert sorted(distilled.rglob("*")) == before


def test_regression_and_missing_runs_are_refused(regression, tmp_path, capsys):
    assert main(["temperature", str(regression)]) == 2
    assert "softens the probabilities of classes" in capsys.readouterr().err
    assert main(["temperature", str(regression), "--search"]) == 2
    assert "give a distilled run" in capsys.readouterr().err
    assert main(["temperature", "--teacher", "run:x", "--data", "digits"]) == 2
    assert "--teacher, --data and --out" in capsys.readouterr().err
    words = ["--teacher", "run:x", "--data", "digits", "--out", str(tmp_path / "look")]
    assert main(["temperature", *words, "--search"]) == 2
    assert "it needs a run" in capsys.readouterr().err


def test_a_student_from_python_cannot_be_searched(python_student, capsys):
    assert main(["temperature", str(python_student), "--search"]) == 2
    assert "call limbeck.distill with several temperatures" in capsys.readouterr().err


def test_a_loss_without_a_temperature_cannot_be_searched(tmp_path, capsys):
    run = tmp_path / "run"
    distill(
        "mlp:8", "mlp:4", "digits", run, loss="LogitRegression", seeds=1, epochs=1, limit=200, alone=False
    )
    assert main(["temperature", str(run), "--search"]) == 2
    assert "used LogitRegression" in capsys.readouterr().err
    assert not (run / "search").exists()


def test_the_search_tries_the_runs_own_settings_too_and_names_the_best(searched):
    search = read(searched)["search"]
    tried = [(each["temperature"], each["kd_weight"], each["task_weight"]) for each in search["trials"]]
    assert tried == [(1, 0.5, 0.5), (4, 0.9, 0.1), (8, 0.5, 0.5)]
    assert search["own"] == 1
    assert search["seeds"] == [0, 1]
    for trial in search["trials"]:
        values = trial["score"]["values"]
        assert len(values) == 2
        assert trial["score"]["mean"] == pytest.approx(sum(values) / 2)
    means = [each["score"]["mean"] for each in search["trials"]]
    assert means[search["best"]] == max(means)
    assert search["sentence"] in html.unescape((searched / "temperature.html").read_text())


def test_the_search_trains_as_the_run_did(distilled):
    """The run's own settings, at the run's own length, give the run's own validation scores."""
    words = ["--search", "--temperatures", "4", "--kd-weights", "0.9"]
    assert main(["temperature", str(distilled), *words]) == 0
    [trial] = read(distilled)["search"]["trials"]
    rows = [line.split(",") for line in (distilled / "history.csv").read_text().splitlines()]
    role, seed, accuracy = (rows[0].index(name) for name in ("role", "seed", "val_accuracy"))
    for number, value in enumerate(trial["score"]["values"]):
        seen = [float(row[accuracy]) for row in rows if row[role] == "student" and row[seed] == str(number)]
        assert value == pytest.approx(max(seen), abs=1e-9)


def test_the_test_part_is_never_read(distilled, monkeypatch):
    seen, read_views = set(), Views.read
    monkeypatch.setattr(
        Views,
        "read",
        lambda self, index, *more: seen.update(index.tolist()) or read_views(self, index, *more),
    )
    assert main(["temperature", str(distilled), *SEARCH]) == 0
    data = open_data("digits", limit=500)
    assert seen == {*data.train.tolist(), *data.validation.tolist()}
    assert not seen & set(data.test.tolist())


def test_the_same_command_again_trains_nothing_and_tells_the_same(searched, monkeypatch, capsys):
    first = read(searched)["search"]
    assert not list((searched / "search").rglob("*.pt"))  # a grid of checkpoints would fill the disk
    monkeypatch.setattr(temperature_search, "fit", lambda *_, **__: pytest.fail("trained again"))
    assert main(["temperature", str(searched), *SEARCH]) == 0
    again = read(searched)["search"]
    assert again["trials"] == first["trials"]
    told = capsys.readouterr().out
    assert "3 settings × 2 seeds = 6 trainings, 6 of them done before" in told
    assert again["sentence"] in told
    assert again["command"] in told


def test_a_search_that_was_stopped_goes_on_to_the_same_result(distilled, searched, monkeypatch, capsys):
    train, calls = temperature_search.fit, []

    def stopping(*args, **kwargs):
        calls.append(kwargs["label"])
        if len(calls) == 3:
            raise Interrupted
        return train(*args, **kwargs)

    monkeypatch.setattr(temperature_search, "fit", stopping)
    assert main(["temperature", str(distilled), *SEARCH]) == 130
    assert "Give the same command again to go on" in capsys.readouterr().err
    assert read(distilled)["search"] is None
    assert main(["temperature", str(distilled), *SEARCH]) == 0
    assert len(calls) == 3 + 4  # two were done, the third was stopped
    assert read(distilled)["search"]["trials"] == read(searched)["search"]["trials"]


def test_a_search_does_not_go_on_with_other_settings(searched, capsys):
    assert main(["temperature", str(searched), *SEARCH[:-1], "2"]) == 2
    told = capsys.readouterr().err
    assert "train.epochs: was 1, is 2" in told
    assert "--out" in told


def test_more_seeds_and_points_join_what_is_there(searched, capsys):
    words = ["--search", "--temperatures", "1,2", "--kd-weights", "0.5", "--epochs", "1", "--seeds", "3"]
    assert main(["temperature", str(searched), *words]) == 0
    assert "= 9 trainings, 4 of them done before" in capsys.readouterr().out


def test_a_look_keeps_the_search_of_the_same_teacher(searched):
    found = read(searched)
    assert main(["temperature", str(searched)]) == 0
    assert read(searched)["search"] == found["search"]
    (searched / "temperature.json").write_text(json.dumps({**found, "fingerprint": "another teacher's"}))
    assert main(["temperature", str(searched)]) == 0
    assert read(searched)["search"] is None


def test_the_command_it_names_distils_with_the_best(searched_once):
    search = read(searched_once)["search"]
    words = shlex.split(search["command"])
    assert words[0] == "limbeck"
    assert main([*words[1:], "--seeds", "1", "--epochs", "1", "--no-alone"]) == 0
    record, best = read(Path(words[-1]), "run.json"), search["trials"][search["best"]]
    assert record["recipe"]["kd"]["temperature"] == best["temperature"]
    assert record["recipe"]["kd"]["kd_weight"] == best["kd_weight"]
    assert not record["protocol"]["teacher_trained_here"]  # it learns from the teacher that was searched with
