"""The points of a search of temperature and weight, and the command that uses one."""

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.errors import LimbeckError
from limbeck.recipes.config import DistillConfig
from limbeck.recipes.finished import OBJECT, Finished
from limbeck.recipes.settings import settings_from


@dataclass(frozen=True)
class Point:
    """One temperature with its weights."""

    temperature: float
    kd_weight: float
    task_weight: float

    @property
    def name(self) -> str:
        """What its folder and its bar are called."""
        return f"T{self.temperature:g}-w{self.kd_weight:g}"

    def __str__(self) -> str:
        return f"T = {self.temperature:g} with weight {self.kd_weight:g}"


def configured(finished: Finished, teacher: dict[str, Any] | None, **settings: Any) -> DistillConfig:
    """Return the settings that the search trains with.

    Args:
        finished: the run whose student is trained.
        teacher: settings of another teacher than the run's, or ``None``.
        **settings: ``data``, ``epochs`` and ``seeds`` where they are not the run's.

    Raises:
        LimbeckError: the run has no student, or one that cannot be made again; its loss has no temperature.
    """
    run = finished.folder
    if not isinstance(finished.config, DistillConfig):
        raise LimbeckError(
            f"--search trains a run's student, and {run} trained one model: give a distilled run."
        )
    given = {key: value for key, value in settings.items() if value is not None}
    config = settings_from(DistillConfig, finished.config.model_dump(), teacher or {}, given)
    if config.student.startswith(OBJECT):
        raise LimbeckError(
            f"The student of {run} was given in Python, which cannot be made again here: call limbeck.distill with "
            "several temperatures."
        )
    _refuse_what_is_not_searched(config, run)
    return config.model_copy(update={"trackers": []})  # the trainings would write over one another


def _refuse_what_is_not_searched(config: DistillConfig, run: Path) -> None:
    """The search tries one loss on the outputs, with a temperature and weights that are numbers."""
    kd = config.kd
    if not hasattr(kd.build(), "temperature") or kd.taught().kind.place != "logits":
        raise LimbeckError(f"--search needs a loss with a temperature, such as KD, and {run} used {kd.loss}.")
    if kd.also:
        raise LimbeckError(
            f"--search tries one loss, and {run} also used {kd.also[0].loss}: search without it."
        )
    if isinstance(kd.temperature, str) or any(callable(weight) for weight in kd.weights()):
        raise LimbeckError(
            f"--search tries a temperature and weights that stay, and {run} used a schedule: search without it."
        )


def grid(config: DistillConfig, temperatures: Sequence[float], weights: Sequence[float]) -> list[Point]:
    """Return the points to try, the run's own settings among them.

    Args:
        config: the run's settings.
        temperatures: each is tried with each weight.
        weights: of what the teacher says. The labels get the rest, or keep the run's weight where it chose both.

    Example:
        >>> config = DistillConfig(teacher="cnn:8", student="cnn:4", data="digits", kd={"loss": "KD"})
        >>> [point.name for point in grid(config, [2.0], [0.5])]
        ['T2-w0.5', 'T4-w0.9']
    """
    own = own_point(config)
    split = math.isclose(own.task_weight + own.kd_weight, 1)
    points = [
        Point(temperature, weight, 1 - weight if split else own.task_weight)
        for temperature in temperatures
        for weight in weights
    ]
    others = [each for each in points if each.name != own.name]
    return sorted([own, *others], key=lambda each: (each.temperature, each.kd_weight))


def own_point(config: DistillConfig) -> Point:
    """Return the temperature and weights that the run used."""
    task_weight, kd_weight = config.kd.weights()
    assert not callable(task_weight)
    assert not callable(kd_weight)
    return Point(float(getattr(config.kd.build(), "temperature")), kd_weight, task_weight)  # noqa: B009


def command_for(
    finished: Finished, config: DistillConfig, teacher: str | None, data: str | None, point: Point
) -> str:
    """Return the command that distils with a point's settings, from the teacher that was searched with.

    Args:
        finished: the run.
        config: settings of the search.
        teacher: another teacher than the run's.
        data: other data than the run's.
        point: temperature and weights.
    """
    folder, before = finished.folder, finished.config
    words = ["limbeck", "distill", str(folder / "config.yaml")]
    if teacher is None and finished.has("teacher"):
        teacher = f"run:{folder}#teacher"  # else the run's command would train another
    words += ["--teacher", teacher] if teacher is not None else []
    assert isinstance(before, DistillConfig)
    if config.teacher_weights != before.teacher_weights:
        weights = config.teacher_weights
        words += ["--teacher-weights", weights] if weights else ["--set", "teacher_weights=null"]
    if config.teacher_pretrained != before.teacher_pretrained:
        words += ["--set", f"teacher_pretrained={str(config.teacher_pretrained).lower()}"]
    words += ["--data", data] if data is not None else []
    words += ["--temperature", f"{point.temperature:g}", "--kd-weight", f"{point.kd_weight:g}"]
    if before.kd.task_weight is not None:
        words += ["--task-weight", f"{point.task_weight:g}"]
    for each in finished.plugins:
        words += ["--plugin", str(each)]
    return shlex.join([*words, "--out", f"{folder}-{point.name}"])
