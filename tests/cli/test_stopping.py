"""Ctrl-C, full disks and losses that are no numbers: what was complete is kept, and a run can go on."""

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from limbeck.recipes import distillation, setup
from limbeck.tasks import Classification
from limbeck.train import loop

PAIR = ["--teacher", "mlp:8", "--student", "mlp:4?dropout=0.2"]
LONGER = ["--batch-size", "32", "--epochs", "2"]
"""Four steps an epoch, two epochs: eight steps for the teacher, eight for the student alone, eight for the student."""


@contextlib.contextmanager
def at_step(number, happens):
    """Let something happen in the optimizer step of that number, counted over all trainings of a run."""
    step, seen = loop._Training.step, []

    def counted(self, *given):
        seen.append(None)
        if len(seen) == number:
            happens()
        return step(self, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop._Training, "step", counted)
        yield


@contextlib.contextmanager
def full_disk(after):
    """Let the disk be full once ``after`` files have reached it."""
    sync, seen = os.fsync, []

    def full(handle):
        seen.append(None)
        if len(seen) > after:
            raise OSError(errno.ENOSPC, "No space left on device")
        return sync(handle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", full)
        yield


def interrupt(number=signal.SIGINT):
    os.kill(os.getpid(), number)


# the first step, the last of an epoch, the last of a training, inside the student alone and the student
@pytest.mark.parametrize(
    ("step", "by"),
    [(1, signal.SIGINT), (4, signal.SIGINT), (8, signal.SIGINT), (14, signal.SIGTERM), (23, signal.SIGINT)],
)
def test_ctrl_c_leaves_a_run_that_ends_as_if_never_stopped(limbeck, distilled_once, small, step, by):
    with at_step(step, lambda: interrupt(by)):
        stopped = limbeck("distill", *PAIR, *small, *LONGER, "--out", "run")
    assert stopped.code == 130
    assert stopped.err == "limbeck: stopped. Go on with: limbeck distill --resume run\n"
    assert not Path("run/run.json").exists()
    assert limbeck("distill", "--resume", "run").code == 0
    assert (
        Path("run/student.safetensors").read_bytes() == (distilled_once / "student.safetensors").read_bytes()
    )
    rows, whole = (_history(each) for each in (Path("run"), distilled_once))
    assert rows == whole


def _history(folder):
    """Return the rows of the history without the seconds they took."""
    return [line.rpartition(",")[0] for line in (folder / "history.csv").read_text().splitlines()]


def test_ctrl_c_between_two_trainings_says_how_to_go_on(limbeck, small, monkeypatch):
    def pressed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(distillation, "facts", pressed)
        stopped = limbeck("distill", *PAIR, *small, "--out", "my run")
    assert stopped.code == 130
    assert stopped.err == "limbeck: stopped. Go on with: limbeck distill --resume 'my run'\n"
    assert limbeck("distill", "--resume", "my run").code == 0


def test_ctrl_c_before_anything_is_written(limbeck, small, monkeypatch):
    def pressed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(setup, "open_given", pressed)
    stopped = limbeck("distill", *PAIR, *small, "--out", "run")
    assert stopped.code == 130
    assert stopped.err == "limbeck: stopped before the run began; nothing was written.\n"
    assert not Path("run").exists()


@pytest.mark.parametrize("verb", ["evaluate", "export", "report"])
def test_ctrl_c_in_another_verb(limbeck, trained, verb, monkeypatch):
    def pressed(*_, **__):
        raise KeyboardInterrupt

    places = {"evaluate": "recipes.evaluation.write_text", "export": "recipes.exporting.export_onnx"}
    monkeypatch.setattr(f"limbeck.{places.get(verb, 'report.write_report')}", pressed)
    stopped = limbeck(verb, trained)
    assert stopped.code == 130
    assert stopped.err == "limbeck: stopped; nothing was left half-written.\n"


def test_a_plugin_is_part_of_how_to_go_on(limbeck, small):
    Path("own.py").write_text(
        "from torch import nn\ndef net(outputs, shape): return nn.Sequential(nn.Flatten(), nn.Linear(64, outputs))\n"
    )
    with at_step(1, interrupt):
        stopped = limbeck("train", "--model", "plugin:net", "--plugin", "own.py", *small, "--out", "run")
    assert stopped.err.endswith("limbeck train --resume run --plugin own.py\n")
    assert limbeck("train", "--resume", "run", "--plugin", "own.py").code == 0


def test_ctrl_c_in_a_terminal_reaches_the_loading_processes_too(small):
    """A whole process group gets the signal; nobody in it may answer with a traceback."""
    words = ["train", "--model", "mlp:4", *small, "--epochs", "100000", "--workers", "1", "--out", "run"]
    with Path("said").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "limbeck.cli", *words], stdout=said, stderr=said, start_new_session=True
        )
        until = time.monotonic() + 120
        while not Path("run/checkpoints/model-0/last.pt").exists() and time.monotonic() < until:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
    text = Path("said").read_text()
    assert "Traceback" not in text
    assert text.endswith("limbeck: stopped. Go on with: limbeck train --resume run\n")
    assert not list(Path("run").rglob("*.part"))


# the settings, a first and a later checkpoint, the teacher's two files, the student's weights, the record
@pytest.mark.parametrize("after", [0, 1, 3, 4, 5, 13, 16])
def test_a_full_disk_leaves_nothing_half_written(limbeck, distilled_once, small, after):
    """Wherever the disk becomes full, the run goes on from there once there is space again."""
    words = ["distill", *PAIR, *small, *LONGER]
    with full_disk(after):
        result = limbeck(*words, "--out", "run")
    assert result.code == 2
    assert result.err.lower().startswith("limbeck: no space")
    assert len(result.err.splitlines()) == 1
    assert not list(Path().rglob("*.part"))
    assert not Path("run/run.json").exists()
    again = [*words, "--out", "run"] if after == 0 else ["distill", "--resume", "run"]
    assert ("--resume" in result.err) == (after > 0)
    assert limbeck(*again).code == 0
    assert (
        Path("run/student.safetensors").read_bytes() == (distilled_once / "student.safetensors").read_bytes()
    )


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 2,600 KiB, where this machine lets us make one."""
    place = tmp_path / "disk"
    place.mkdir()
    if not shutil.which("mount") or os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2600k", "tmpfs", place], check=False)
    if made.returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


# 2,400 units: no room for both checkpoints; 1,950: for them, but not for the model
@pytest.mark.parametrize(("width", "file"), [(2400, "last.pt"), (1950, "model.")])
def test_a_disk_that_is_really_full(limbeck, tiny_disk, small, width, file):
    result = limbeck("train", "--model", f"mlp:{width}", *small, "--out", tiny_disk / "run")
    assert result.code == 2
    assert result.err.startswith(f"limbeck: No space left to write {tiny_disk}/run")
    assert f"/{file}" in result.err
    assert len(result.err.splitlines()) == 1
    assert not list(tiny_disk.rglob("*.part"))


@pytest.mark.parametrize("setting", [["--lr", "1e30"], ["--set", "train.lr=1e20"]])
def test_a_loss_that_is_no_number_names_step_and_part(limbeck, small, setting):
    result = limbeck("train", "--model", "mlp:4", *small, *setting, "--out", "run")
    assert result.code == 2
    assert "The loss part 'task' of model (seed 0) became nan at step 2" in result.err
    assert "Start a new run with a lower lr" in result.err
    assert len(result.err.splitlines()) == 1
    assert not Path("run/run.json").exists()
    assert not list(Path("run").rglob("*.pt"))  # there was no good one yet


def test_a_loss_that_breaks_late_keeps_the_last_good_checkpoint(limbeck, small):
    loss, calls = Classification.loss, []

    def broken(self, *given):
        calls.append(None)
        return loss(self, *given) * (float("nan") if len(calls) == 6 else 1.0)

    words = ["train", "--model", "mlp:4", *small, *LONGER]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Classification, "loss", broken)
        result = limbeck(*words, "--out", "run")
    assert result.code == 2
    assert "The loss part 'task' of model (seed 0) became nan at step 6: training stopped" in result.err
    assert torch.load("run/checkpoints/model-0/last.pt", weights_only=True)["step"] == 4
    assert limbeck("train", "--resume", "run").code == 0
    assert limbeck(*words, "--out", "whole").code == 0
    assert Path("run/model.safetensors").read_bytes() == Path("whole/model.safetensors").read_bytes()


def test_a_teachers_loss_that_breaks_says_whose_it_was(limbeck, small):
    words = ["distill", *PAIR, *small, "--set", "teacher_train={lr: 1.0e+30, epochs: 1}"]
    result = limbeck(*words, "--out", "run")
    assert result.code == 2
    assert "The loss part 'task' of teacher (seed 0) became nan" in result.err
