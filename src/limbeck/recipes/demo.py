"""The main job on a small scale: handwritten digits, a few minutes, proof."""

from pathlib import Path

from rich.console import Console

from limbeck.recipes.command import run_distill
from limbeck.recipes.exporting import export_run
from limbeck.recipes.folder import refuse_taken
from limbeck.recipes.telling import say

TEACHER = "cnn:32-64-128?depth=2"
STUDENT = "mlp:64"


def demo(out: Path, *, seeds: int, console: Console) -> None:
    """Distil a convolutional teacher of digits into a small perceptron, prove the gain and export the student.

    The teacher is trained on moved digits; the students see the digits as they are, with and without its advice.

    Args:
        out: run folder to make.
        seeds: how many pairs of students.
        console: where progress and outcome are printed.

    Raises:
        LimbeckError: the folder is taken; the export extra is not installed.
    """
    refuse_taken(out)
    settings = {
        "teacher": TEACHER,
        "student": STUDENT,
        "data": "digits",
        "seeds": seeds,
        "augment": "none",
        "teacher_augment": "shift",
        "kd": {"loss": "KD", "temperature": 8.0, "kd_weight": 1.0},
        "train": {"epochs": 40, "lr": 5e-3, "batch_size": 32},
        "teacher_train": {"epochs": 30, "lr": 3e-3, "batch_size": 64},
    }
    say(console, f"Distilling {TEACHER} into {STUDENT} on scikit-learn's digits, {seeds} paired seeds.")
    run_distill([settings], out, plugins=[], resume=False, console=console)
    export_run(out, role=None, console=console)
