"""Recordings through every verb: frames are taught, recordings are judged."""

import csv
import json
from pathlib import Path

import pytest

from tones import write_flat

SETTINGS = "?mels=8&context=2"


@pytest.fixture
def words() -> str:
    return f"wav:{write_flat(Path('words'), words=('low', 'high', 'rising'))}{SETTINGS}"


def test_a_network_learns_from_a_teacher_on_recordings(limbeck, words):
    quick = ["--epochs", "4", "--batch-size", "16", "--lr", "0.02", "--seeds", "2"]
    told = limbeck(
        "distill", "--teacher", "mlp:32", "--student", "mlp:16", "--data", words, *quick, "--out", "run"
    )
    assert told.code == 0, told
    assert "frame accuracy" in told.out
    record = json.loads(Path("run/run.json").read_text())
    assert record["data"]["task"] == "frames"
    assert record["data"]["classes"][0] == "high/0"
    assert record["protocol"]["metric"] == "frame_accuracy"
    for model in record["models"]:
        assert 0.3 < model["scores"]["frame_accuracy"]["mean"] <= 1
        assert 0 <= model["scores"]["utterance_error"]["mean"] < 2 / 3  # what guessing gives
    assert record["gain"]["metric"] == "frame_accuracy"
    page = Path("run/report.html").read_text()
    assert "Utterance error" in page
    assert "Recordings are never divided" in page
    with Path("run/history.csv").open() as file:
        assert "val_utterance_error" in next(csv.reader(file))


def test_what_was_learnt_is_measured_again_exported_and_softened(limbeck, words):
    assert limbeck("train", "--model", "mlp:16", "--data", words, "--epochs", "2", "--out", "run").code == 0
    told = limbeck("evaluate", "run")
    assert told.code == 0, told
    assert "utterance error" in told.out
    before = json.loads(Path("run/run.json").read_text())["models"][0]["scores"]["utterance_error"]["mean"]
    again = json.loads(Path("run/evaluation.json").read_text())["models"][0]["scores"]["utterance_error"]
    assert again == before
    assert limbeck("export", "run").code == 0
    assert limbeck("temperature", "run").code == 0


def test_recordings_of_other_words_are_refused(limbeck, refused, words):
    assert limbeck("train", "--model", "mlp:4", "--data", words, "--epochs", "1", "--out", "run").code == 0
    other = f"wav:{write_flat(Path('fewer'))}{SETTINGS}"
    said = refused("evaluate", "run", "--data", other)
    assert "were made for frames of 9 classes (high/0, high/1, high/2, low/0, …)" in said
    assert "is frames of 6 classes" in said


def test_a_damaged_recording_is_named(refused, words):
    Path("words/low_anna_3.wav").write_bytes(b"RIFF")
    said = refused("train", "--model", "mlp:4", "--data", words, "--out", "run")
    assert said.startswith("words/low_anna_3.wav is not a wav file")
