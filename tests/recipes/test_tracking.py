"""Trackers get each epoch's row, in the run folder."""

import pytest

from limbeck.cli import main

TINY = ["train", "--model", "mlp:4", "--data", "digits", "--limit", "100", "--epochs", "2"]


def test_tensorboard_gets_every_epoch(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out = tmp_path / "run"
    assert main([*TINY, "--out", str(out), "--tracker", "tensorboard"]) == 0
    events = EventAccumulator(str(out / "tensorboard")).Reload()
    assert len(events.Scalars("model-0/val_accuracy")) == 2


def test_mlflow_gets_every_epoch(tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    out = tmp_path / "run"
    assert main([*TINY, "--out", str(out), "--tracker", "mlflow"]) == 0
    (metric,) = out.glob("mlruns/*/*/metrics/model-0/val_accuracy")
    assert len(metric.read_text().splitlines()) == 2
