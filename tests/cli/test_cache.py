"""Answers that are kept, as a user asks for them: what is said, what is asked, what is refused, what is left behind."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from cache.stored import flip
from cli.conftest import in_a_hurry
from limbeck.cli import main
from quick import undrawn
from teachers.kept import FEW, contents
from train.toys import same_state

SCRIPT = Path(__file__).with_name("killed.py")
DATA = ["--data", "digits", "--limit", "60", "--batch-size", "20", "--lr", "0.02"]
PAIR = ["--teacher", "mlp:8", "--student", "mlp:4"]
FROM = ["--teacher", "run:taught", "--student", "mlp:4?dropout=0.2"]
"""Sixty samples and three steps an epoch."""


@pytest.fixture(scope="session")
def taught_once(tmp_path_factory):
    """Train a teacher and fill a cache of two views of its answers; return the folder of both."""
    place = tmp_path_factory.mktemp("taught")
    with in_a_hurry(), undrawn():
        words = ["--model", "mlp:8", *DATA, "--epochs", "2", "--seeds", "1"]
        assert main(["train", *words, "--out", str(place / "taught")]) == 0
        out = str(place / "kept")
        assert main(["cache", "build", str(place / "taught"), "--cache-views", "2", "--out", out]) == 0
    return place


@pytest.fixture
def taught(taught_once, tmp_path):
    """A run named ``taught`` and a cache named ``kept``, of sixty digits in two views."""
    for name in ("taught", "kept"):
        shutil.copytree(taught_once / name, tmp_path / name)


@pytest.fixture
def distilled(limbeck):
    """Distil with these words and return what was printed and the record."""

    def run(*words, out="run", code=0):
        with undrawn():
            result = limbeck("distill", *words, "--out", out)
        assert result.code == code, result.err
        assert not list(Path().rglob("*.part"))
        return result.out, json.loads(Path(out, "run.json").read_text())

    return run


def kept(record):
    """Return what each network asked: (answers, forwards, views), by its name."""
    return {each["network"]: (each["answers"], each["forwards"], each["views"]) for each in record["caches"]}


def plain(text):
    """Return a page as words."""
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def test_distill_keeps_answers_and_says_so(distilled):
    printed, record = distilled(*PAIR, *DATA, "--epochs", "3", "--seeds", "2", "--cache-views", "2")
    assert kept(record) == {"student": (2 * 3 * 60, 2 * 60, 2)}  # the second seed asked nothing
    entry = record["caches"][0]
    assert 0 <= entry["kl"] < 1e-3
    assert 13 <= entry["bytes_per_view"] <= 14
    report = plain(Path("run", "report.html").read_text(encoding="utf-8"))
    for said in (" ".join(printed.split()), report):
        assert "2 views of each sample" in said
        assert "13.1 bytes each" in said
        assert "answered 360 times" in said
        assert "run on 120 samples" in said
        assert "nats from live ones" in said


def test_verify_and_info_of_a_run_s_cache(limbeck, distilled):
    distilled(*PAIR, *DATA, "--epochs", "2", "--seeds", "1", "--cache-views", "2")
    (folder,) = {path.parent for path in Path("run").rglob("cache.json")}
    before = contents(folder)
    assert limbeck("cache", "verify", folder).code == 0
    told = limbeck("cache", "info", folder)
    assert told.code == 0
    for word in ("120 of 120", "Dense8", "Shift", "teacher weights"):
        assert word in told.out
    assert contents(folder) == before


def test_without_it_nothing_is_kept(distilled):
    _, record = distilled(*PAIR, *DATA, "--epochs", "1", "--seeds", "1")
    assert record["caches"] == []
    assert not list(Path("run").rglob("cache.json"))


@pytest.mark.usefixtures("taught")
def test_build_then_distill_with_other_losses_and_temperatures(limbeck, distilled):
    assert "120 of 120" in limbeck("cache", "info", "kept").out
    assert limbeck("cache", "verify", "kept").code == 0
    before = contents(Path("kept"))
    words = [*FROM, *DATA, "--epochs", "3", "--seeds", "1", "--cache", "kept", "--no-alone"]
    for number, more in enumerate(
        (["--loss", "KD", "--temperature", "4"], ["--loss", "KD", "--temperature", "1"], ["--loss", "DKD"])
    ):
        printed, record = distilled(*words, *more, out=f"run{number}")
        answers, forwards, views = kept(record)["student"]
        assert (answers, views) == (180, 2)
        assert forwards <= FEW
        assert "2 views of each sample" in " ".join(printed.split())
    assert contents(Path("kept")) == before
    assert not list(Path("run0").rglob("cache.json"))


@pytest.mark.usefixtures("taught")
def test_a_student_learns_the_same_from_a_cache_built_ahead_and_from_one_filled_on_the_way(distilled):
    """But for rounding, by which the answers of batches of another size may differ."""
    words = [*FROM, *DATA, "--epochs", "3", "--seeds", "1", "--no-alone"]
    distilled(*words, "--cache", "kept", out="ahead")
    distilled(*words, "--cache-views", "2", out="way")
    one, other = (load_file(Path(name, "student.safetensors")) for name in ("ahead", "way"))
    assert max(float((one[name] - other[name]).abs().max()) for name in one) < 1e-3


@pytest.mark.usefixtures("taught")
def test_a_build_again_asks_nothing_and_a_build_of_another_is_refused(limbeck):
    before = contents(Path("kept"))
    assert limbeck("cache", "build", "taught", "--cache-views", "2", "--out", "kept").code == 0
    again = limbeck("cache", "build", "taught", "--cache-views", "3", "--out", "kept")
    assert again.code == 2
    assert len(again.err.splitlines()) == 1
    assert "views" in again.err
    assert contents(Path("kept")) == before


@pytest.mark.usefixtures("taught")
def test_a_new_folder_is_made_where_it_was_named(distilled):
    words = [*FROM, *DATA, "--epochs", "2", "--seeds", "1", "--no-alone"]
    _, record = distilled(*words, "--cache", "mine", "--cache-views", "2")
    assert kept(record)["student"] == (120, 120, 2)
    assert Path("mine", "cache.json").exists()
    _, record = distilled(*words, "--cache", "mine", out="again")
    assert kept(record)["student"][1] <= FEW
    one, other = (load_file(Path(name, "student.safetensors")) for name in ("run", "again"))
    assert same_state(one, other)


@pytest.mark.usefixtures("taught")
def test_another_seed_reads_the_cache_s_own_draws(distilled):
    words = [*FROM, *DATA, "--epochs", "2", "--seeds", "1", "--no-alone", "--set", "train.seed=7"]
    _, record = distilled(*words, "--cache", "kept")
    assert kept(record)["student"][1] <= FEW


def test_a_killed_distill_goes_on_to_the_same_bits(limbeck):
    pair = ["--teacher", "mlp:8", "--student", "mlp:4?dropout=0.2"]
    words = [*pair, *DATA, "--epochs", "3", "--seeds", "1", "--cache-views", "2", "--no-alone"]
    words += ["--set", "train.checkpoint_every=2"]
    command = [sys.executable, SCRIPT, "student", "4", "distill", *words, "--out", "run"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.run(
        [str(each) for each in command], env=environment, capture_output=True, timeout=120, check=False
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    with undrawn():
        assert limbeck("distill", "--resume", "run").code == 0
        assert limbeck("distill", *words, "--out", "whole").code == 0
    one, other = Path("run", "student.safetensors"), Path("whole", "student.safetensors")
    assert one.read_bytes() == other.read_bytes()
    caches = [next(Path(name).rglob("cache.json")).parent for name in ("run", "whole")]
    assert contents(caches[0]) == contents(caches[1])
    assert kept(json.loads(Path("run", "run.json").read_text()))["student"] == (180, 120, 2)


MISTAKES = {
    "augmentation": ([*FROM, "--cache", "kept", "--augment", "none"], "augmentation: was Shift"),
    "teacher": (["--teacher", "run:other", "--student", "mlp:4", "--cache", "kept"], "teacher weights: was"),
    "views": ([*FROM, "--cache", "kept", "--cache-views", "3"], "2 views"),
    "no cache there": ([*FROM, "--cache", "nowhere"], "--cache-views"),
    "peers": (
        ["--scheme", "Mutual", "--student", "mlp:4", "--cache-views", "2"],
        "Mutual has no teacher whose answers stay the same, so none can be kept: leave --cache-views",
    ),
    "itself": (["--scheme", "MeanTeacher", "--student", "mlp:4", "--cache", "kept"], "MeanTeacher has no"),
    "a chain": (
        ["--scheme", "Assistant", *FROM, "--set", "scheme.assistants=[mlp:6]", "--cache", "kept"],
        "Assistant has several teachers, one after the other, and --cache names one cache",
    ),
    "a chain of its own": (
        ["--scheme", "BornAgain", "--student", "mlp:4", "--cache", "mine", "--cache-views", "2"],
        "BornAgain has several teachers, one after the other",
    ),
    "SimKD": (
        ["--teacher", "cnn:4-6", "--student", "cnn:4-4", "--loss", "SimKD", "--cache-views", "2"],
        "cache",
    ),
    "FitNets": (
        ["--teacher", "cnn:4-6", "--student", "cnn:4-4", "--loss", "FitNets", "--cache-views", "2"],
        "one vector for each sample",
    ),
    "another data set": (
        ["--teacher", "run:taught", "--student", "mlp:4", "--cache", "kept", "--limit", "70"],
        "sample",
    ),
}


@pytest.mark.usefixtures("taught")
@pytest.mark.parametrize("name", MISTAKES)
def test_a_likely_mistake(refused, limbeck, name):
    words, told = MISTAKES[name]
    if name == "teacher":
        with undrawn():
            given = ["--model", "mlp:8", *DATA, "--epochs", "1", "--seeds", "1", "--out", "other"]
            assert limbeck("train", *given).code == 0
    assert told in refused("distill", *DATA, "--epochs", "2", "--seeds", "1", *words, "--out", "new")


@pytest.mark.usefixtures("taught")
def test_a_damaged_cache(refused, limbeck):
    field = Path("kept", "view-0001.logits.npy")
    flip(field, -30)
    assert "view-0001" in refused("cache", "verify", "kept")
    flip(field, -30)
    field.write_bytes(field.read_bytes()[:-5])
    assert field.name in refused("cache", "verify", "kept")
    words = [*FROM, *DATA, "--epochs", "1", "--seeds", "1", "--cache", "kept"]
    assert "view-0001" in limbeck("distill", *words, "--out", "new").err


@pytest.mark.usefixtures("taught")
@pytest.mark.parametrize("verb", ["verify", "info"])
@pytest.mark.parametrize("folder", ["nowhere", "taught", "kept/cache.json"])
def test_a_folder_that_is_no_cache(refused, verb, folder):
    assert folder in refused("cache", verb, folder)


@pytest.mark.usefixtures("taught")
def test_build_is_refused_where_it_cannot_be(refused):
    assert "nowhere" in refused("cache", "build", "nowhere", "--out", "new")
    assert "taught" in refused("cache", "build", "taught", "--out", "taught")


ONES = ["--epochs", "2", "--seeds", "1", "--cache-views", "2"]


def test_a_chain_keeps_a_cache_for_each_teacher(distilled):
    words = ["--scheme", "Assistant", *PAIR, *DATA, *ONES, "--set", "scheme.assistants=[mlp:6]"]
    _, record = distilled(*words)
    assert len(list(Path("run").rglob("cache.json"))) == 2
    assert {each[1:] for each in kept(record).values()} == {(120, 2)}
    assert len(kept(record)) == 2


def test_half_labelled_samples(distilled, limbeck):
    words = ["--scheme", "SemiSupervised", *PAIR, *DATA, "--labels", "20", *ONES]
    printed, record = distilled(*words)
    answers, forwards, views = kept(record)["student"]
    assert views == 2
    assert 0 < forwards <= 2 * 60
    assert forwards <= answers
    assert "views of each sample" in " ".join(printed.split())
    (folder,) = {path.parent for path in Path("run").rglob("cache.json")}
    assert limbeck("cache", "verify", folder).code == 0


def test_several_teachers_are_kept_as_one(distilled):
    words = ["--scheme", "SeveralTeachers", "--teacher", "mlp:8", *PAIR, *DATA, *ONES]
    _, record = distilled(*words)
    assert kept(record) == {"student": (120, 2 * 2 * 60, 2)}  # each of two networks is run on each view
    assert len(list(Path("run").rglob("cache.json"))) == 1


def test_values_of_a_regression(distilled):
    words = ["--teacher", "mlp:8", "--student", "mlp:4", "--data", "sklearn:diabetes", "--limit", "60"]
    printed, record = distilled(
        *words, "--batch-size", "20", "--epochs", "3", "--seeds", "1", "--cache-views", "1"
    )
    assert kept(record) == {"student": (180, 60, 1)}
    assert "mean squared difference" in " ".join(printed.split())


def test_values_on_another_scale_are_refused_before_anything(limbeck, distilled, refused):
    """Fewer samples have another mean and deviation, by which values are standardised."""
    data = ["--data", "sklearn:diabetes", "--batch-size", "20", "--epochs", "1", "--seeds", "1"]
    with undrawn():
        assert limbeck("train", "--model", "mlp:8", *data, "--limit", "80", "--out", "values").code == 0
    words = ["--teacher", "run:values", "--student", "mlp:4", *data, "--cache", "mine", "--no-alone"]
    distilled(*words, "--limit", "80", "--cache-views", "1")
    assert "scale of values: was mean" in refused("distill", *words, "--limit", "60", "--out", "new")
