"""A finished run opened again: its record, its settings, its data and its models."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from limbeck.data import Data
from limbeck.errors import LimbeckError
from limbeck.models import Model, open_model
from limbeck.recipes.candidates import Candidate
from limbeck.recipes.config import DistillConfig, TrainConfig
from limbeck.recipes.folder import saved_settings
from limbeck.recipes.settings import settings_from
from limbeck.recipes.setup import open_given
from limbeck.report.record import RunRecord, read_run
from limbeck.tasks import Task
from limbeck.train import Plan
from limbeck.train.engine import Engine

OBJECT = "python:"
"""How the settings of a run begin for what was given as a Python object."""


@dataclass(frozen=True)
class Finished:
    """A run that has ended.

    Args:
        folder: where it is.
        record: what it measured.
        config: its settings.
        plugins: files of the person's own factories, for models that came from one.
    """

    folder: Path
    record: RunRecord
    config: TrainConfig | DistillConfig
    plugins: Sequence[str | Path] = ()

    @classmethod
    def open(cls, folder: str | Path, plugins: Sequence[str | Path] = ()) -> "Finished":
        """Read the run in ``folder``.

        Raises:
            LimbeckError: there is no finished run, or its files are damaged.
        """
        record = read_run(folder)
        saved = saved_settings(folder)
        if record.kind == "distill":
            return cls(Path(folder), record, settings_from(DistillConfig, saved), plugins)
        return cls(Path(folder), record, settings_from(TrainConfig, saved), plugins)

    @property
    def result(self) -> str:
        """Role of the model that the run was made for."""
        return "student" if self.record.kind == "distill" else "model"

    def data(self, spec: str | None = None, *, skip_bad: bool = False) -> Data:
        """Open the run's data as the run did, or other data with the same settings.

        Args:
            spec: other data.
            skip_bad: leave out unreadable images even if the run did not.

        Raises:
            LimbeckError: the run's data was a Python object; the classes are not those of the run.
        """
        if spec is None and self.config.data.startswith(OBJECT):
            raise LimbeckError(
                f"The run in {self.folder} read data given in Python, which cannot be opened again: name the data "
                "with --data, such as --data folder:PATH."
            )
        settings = self.config.model_copy(update={"skip_bad": skip_bad or self.config.skip_bad})
        data = self._open(spec, settings)
        known = self.record.data
        if data.task != known.task or list(data.classes or ()) != (known.classes or []):
            raise LimbeckError(
                f"The models of {self.folder} were made for {_kind(known.task, known.classes)}, and {data.name} is "
                f"{_kind(data.task, data.classes)}: give data with the same classes in the same order."
            )
        return data

    def _open(self, spec: str | None, settings: TrainConfig | DistillConfig) -> Data:
        """Open other data as it is; the run's own as its scheme made it: joined out of several, say."""
        if spec is None and isinstance(settings, DistillConfig):
            return settings.recipe().open(settings.data, settings)
        return open_given(spec or settings.data, settings)

    def has(self, role: str) -> bool:
        """Return whether the run saved a model in ``role``."""
        return (self.folder / f"{role}.json").is_file()

    def model(self, role: str, data: Data) -> Model:
        """Open the model that the run saved in ``role``.

        Raises:
            LimbeckError: there is none, it does not suit the data, or it was a Python object.
        """
        outputs = len(data.classes) if data.classes else 1
        spec = f"run:{self.folder}#{role}"
        return open_model(spec, outputs=outputs, shape=data.shape, plugins=_paths(self.plugins), role=role)

    @property
    def taught_by(self) -> str:
        """What the run calls the network that taught its student: ``teacher``, ``assistant-2``, ``generation``."""
        if isinstance(self.config, TrainConfig):
            return "model"
        return self.config.recipe().taught_by(self.config)

    def teacher(self, data: Data, task: Task) -> Model:
        """Open the network that taught this run's student; of a run that trained one model, that model.

        Raises:
            LimbeckError: the teacher was a Python object, or cannot be found any more.
        """
        return (
            self.model(self.taught_by, data)
            if self.taught_by != "teacher"
            else self.first_teacher(data, task)
        )

    def first_teacher(self, data: Data, task: Task) -> Model:
        """Open the teacher that the run was given or trained first.

        Raises:
            LimbeckError: as :meth:`teacher`; the run had none.
        """
        assert isinstance(self.config, DistillConfig)
        if self.has("teacher"):
            return self.model("teacher", data)
        spec, weights, pretrained, size = self.config.recipe().teacher_spec(self.config)
        if spec is None:
            raise LimbeckError(f"{self.config.recipe().name} has no teacher.")
        if spec.startswith(OBJECT):
            raise LimbeckError(
                f"The teacher of {self.folder} was given in Python, which cannot be opened again: name one with "
                "weights, such as run:DIR."
            )
        plugins = [str(each) for each in self.plugins]
        door = Candidate(spec, "teacher", data, task, weights, pretrained, size, plugins)
        return door.open(self.config.train.seed)


def device_for(wanted: str) -> torch.device:
    """Return where a finished model runs: the best device here, unless its run asked for the processor.

    Args:
        wanted: the run's own setting; another machine's ``"cuda"`` binds nobody.

    Example:
        >>> device_for("cpu")
        device(type='cpu')
    """
    return Engine(Plan(device="cpu" if wanted == "cpu" else "auto")).device


def _kind(task: str, classes: Sequence[str] | None) -> str:
    if not classes:
        return task
    shown = ", ".join(classes[:4]) + (", …" if len(classes) > 4 else "")
    return f"{task} of {len(classes)} classes ({shown})"


def _paths(plugins: Sequence[str | Path]) -> list[Path]:
    return [Path(each) for each in plugins]
