import json
from pathlib import Path

import pytest

from limbeck.errors import LimbeckError
from limbeck.report.record import RunRecord, Score, read_run


def edited(folder: Path, **changes) -> Path:
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


def test_record_survives_writing_and_reading(run_folder, tmp_path):
    record = read_run(run_folder)
    (tmp_path / "copy").mkdir()
    assert record.write(tmp_path / "copy") == tmp_path / "copy" / "run.json"
    assert read_run(tmp_path / "copy") == record
    assert json.loads((tmp_path / "copy" / "run.json").read_text())["schema"] == 1


def test_record_names_its_models_by_role(run_folder):
    record = read_run(run_folder)
    assert record.model("student").name == "cnn:8-16"
    assert record.model("assistant") is None


def test_last_stage_stands_for_a_role(run_folder):
    record = read_run(run_folder)
    student = record.model("student")
    later = record.model_copy(update={"models": [student.model_copy(update={"stage": 2}), student]})
    assert later.model("student").stage == 2


def test_undefined_scores_become_null():
    score = Score(mean=float("nan"), std=float("inf"), values=[0.5, float("nan")])
    assert json.loads(score.model_dump_json()) == {"mean": None, "std": None, "values": [0.5, None]}


def test_verdict_that_its_interval_does_not_show_is_refused(run_folder):
    gain = {"metric": "accuracy", "absolute": {"mean": 0.01, "ci95": [-0.01, 0.03]}, "verdict": "helped"}
    with pytest.raises(LimbeckError, match=r"gain: .*shows 'no evidence', not 'helped'"):
        read_run(edited(run_folder, gain=gain))


def test_single_seed_cannot_be_said_to_help(run_folder):
    gain = {"metric": "accuracy", "absolute": {"mean": 0.5, "ci95": None}, "verdict": "helped"}
    with pytest.raises(LimbeckError, match="no evidence"):
        read_run(edited(run_folder, gain=gain))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"schema": 2}, r"has schema 2, and this limbeck reads schema 1"),
        ({"schema": None}, r"has schema None"),
        ({"speed": 3}, r"speed: Extra inputs are not permitted"),
        ({"models": []}, r"models: .*at least 1 item"),
        ({"kind": "guess"}, r"kind: Input should be 'distill' or 'train'"),
    ],
)
def test_records_of_another_layout_are_refused(run_folder, changes, sentence):
    with pytest.raises(LimbeckError, match=sentence):
        read_run(edited(run_folder, **changes))


@pytest.mark.parametrize("content", ["{", "[]", "3", "\udcff"])
def test_damaged_records_are_refused(run_folder, content):
    (run_folder / "run.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(LimbeckError, match=r"run\.json"):
        read_run(run_folder)


def test_folder_without_a_record_is_refused(tmp_path):
    with pytest.raises(LimbeckError, match=r"it has no run\.json\. .*--resume"):
        read_run(tmp_path)


def test_json_schema_describes_every_field():
    schema = RunRecord.json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]["schema"]["const"] == 1
    assert schema["additionalProperties"] is False
    assert set(schema["$defs"]) >= {"ModelFacts", "Gain", "Fidelity", "Cost"}
    assert "signed so that positive is better" in schema["$defs"]["Difference"]["description"]
