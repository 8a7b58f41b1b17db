"""A run of several trainings, killed within each of them, ends as if it never was."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from quick import undrawn

SCRIPT = Path(__file__).with_name("killed.py")
CHAIN = ["--scheme", "Assistant", "--set", "scheme.assistants=[mlp:6]", "--set", "train.checkpoint_every=3"]
PAIR = ["--teacher", "mlp:8", "--student", "mlp:4?dropout=0.2", "--data", "digits", "--limit", "80"]
LONGER = ["--batch-size", "20", "--epochs", "2", "--seeds", "1", "--lr", "0.02"]
"""Four steps an epoch: eight steps for each of the teacher, the assistant, the student alone and the student."""


def killed(label, step, *words):
    """Run the command in a process that dies after that step of that training."""
    command = [sys.executable, SCRIPT, label, step, "distill", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.run(
        [str(each) for each in command], env=environment, capture_output=True, timeout=120, check=False
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    assert not Path("run/run.json").exists()
    assert not list(Path("run").rglob("*.part"))
    return {each.stem for each in Path("run").glob("*.safetensors")}


def test_a_chain_killed_within_each_of_its_trainings_ends_with_the_same_bits(limbeck):
    words = [*CHAIN, *PAIR, *LONGER]
    assert killed("teacher", 6, *words, "--out", "run") == set()
    assert killed("assistant-1", 5, "--resume", "run") == {"teacher"}
    assert killed("student", 7, "--resume", "run") == {"teacher", "assistant-1"}
    with undrawn():
        assert limbeck("distill", "--resume", "run").code == 0
        assert limbeck("distill", *words, "--out", "whole").code == 0
    for name in ("teacher", "assistant-1", "student"):
        file = f"{name}.safetensors"
        assert Path("run", file).read_bytes() == Path("whole", file).read_bytes(), name
    assert _history("run") == _history("whole")


def _history(folder):
    """Return the rows of the history without the seconds they took."""
    text = Path(folder, "history.csv").read_text(encoding="utf-8")
    return [line.rpartition(",")[0] for line in text.splitlines()]
