"""The teacher of a run, made ready: opened, trained if it came without weights, frozen, its precision chosen."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.models import save_model
from limbeck.models.model import Inputs
from limbeck.recipes.candidates import Candidate, as_they_are
from limbeck.recipes.config import DistillConfig
from limbeck.recipes.measuring import Measured, scores_on_test
from limbeck.recipes.setup import Reader
from limbeck.schemes import Supervised
from limbeck.teachers import Frozen, Teacher
from limbeck.train import fit
from limbeck.train.engine import processes


@dataclass(frozen=True)
class Tutor:
    """A teacher with what a run must know of it.

    Args:
        teacher: ready to teach.
        inputs: what it wants to be fed.
        trained_here: whether this run trained it.
        measured: its scores, where it is a network.
        history: how it was trained, if it was.
    """

    teacher: Teacher
    inputs: Inputs
    trained_here: bool
    measured: Measured | None
    history: list[dict[str, Any]]

    def precision(self) -> dict[str, Any] | None:
        """Return what the teacher runs in, and the evidence, for the record."""
        choice = getattr(self.teacher, "precision", None)
        if choice is None:
            return None
        return {
            "choice": choice.choice,
            "kl": choice.kl,
            "tolerance": getattr(self.teacher, "tolerance", 0.0),
        }


def ready_made(teacher: Teacher, candidate: Candidate) -> Tutor:
    """Return a teacher that the person made; it reads samples as they are."""
    return Tutor(teacher, as_they_are(candidate.data), False, None, [])


def made_ready(candidate: Candidate, config: DistillConfig, folder: Path, watchers: Any) -> Tutor:
    """Return the teacher that ``candidate`` opens, trained first where it has no weights.

    Args:
        candidate: the teacher's door.
        config: plans, augmentation and precision.
        folder: of the run.
        watchers: told of the training.
    """
    task, data = candidate.task, candidate.data
    plan = config.teacher_train or config.train
    model = candidate.open(plan.seed)
    reader = Reader(data, {"teacher": model.inputs})
    measured = Measured("teacher", model)
    history: list[dict[str, Any]] = []
    if model.weights is None:
        augment = config.teacher_augment if config.teacher_augment is not None else config.augment
        run = fit(
            Supervised(model.module, task, "teacher"),
            reader.feed(augment, plan.seed),
            plan,
            folder=folder / "checkpoints" / "teacher",
            resume=True,
            watchers=watchers,
            label="teacher",
        )
        history = run.history
        measured.take(run, model, reader, task, "teacher")
        if processes()[0] == 0:
            save_model(folder, "teacher", model, model.module.state_dict(), task=task.name)
    else:
        measured.selected.append(scores_on_test(model, reader, task, "teacher"))
    teacher = Frozen(model.module, precision=config.teacher_precision)
    teacher.calibrate(reader.few(64), task)
    return Tutor(teacher, model.inputs, model.weights is None, measured, history)
