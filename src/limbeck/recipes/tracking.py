"""TensorBoard and MLflow, through accelerate's trackers."""

import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from limbeck.errors import LimbeckError
from limbeck.types import Progress


def refuse_missing(names: Sequence[str]) -> None:
    """Refuse trackers that are not installed.

    Args:
        names: of trackers, which are those of their packages.

    Raises:
        LimbeckError: one is not installed.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise LimbeckError(f"The tracker {name} is not installed: pip install 'limbeck[track]'.")


class Tracking:
    """Sends each row of the history to a tracker, under ``role-seed/name``.

    Args:
        tracker: one of accelerate's.
    """

    def __init__(self, tracker: Any):
        self.tracker = tracker

    @classmethod
    @contextmanager
    def to(cls, name: str, folder: Path, config: BaseModel) -> Iterator["Tracking"]:
        """Open the tracker ``name``, which writes into the run folder, or where MLflow is told to.

        Args:
            name: ``"tensorboard"`` or ``"mlflow"``.
            folder: of the run.
            config: settings of the run, stored with it.

        Raises:
            LimbeckError: the tracker is not installed.
        """
        refuse_missing([name])
        tracker = _tensorboard(folder) if name == "tensorboard" else _mlflow(folder)
        if hasattr(tracker, "start"):
            tracker.start()
        tracker.store_init_configuration(_flat(config.model_dump(mode="json")))
        try:
            yield cls(tracker)
        finally:
            tracker.finish()

    def started(self, label: str, epochs: int, steps_per_epoch: int, progress: Progress) -> None:
        """Nothing to send yet."""

    def stepped(self, progress: Progress, parts: dict[str, float], samples: int) -> None:
        """Steps are not sent one by one; their means are, each epoch."""

    def evaluated(self, progress: Progress, row: dict[str, Any]) -> None:
        """Send an epoch's row."""
        group = f"{row['role']}-{row['seed']}"
        values = {f"{group}/{key}": value for key, value in row.items() if isinstance(value, float)}
        self.tracker.log(values, step=row["step"])

    def finished(self, label: str) -> None:
        """Nothing more to send."""


def _tensorboard(folder: Path) -> Any:
    from accelerate.tracking import TensorBoardTracker

    return TensorBoardTracker("tensorboard", logging_dir=folder)


def _mlflow(folder: Path) -> Any:
    import mlflow
    from accelerate.tracking import MLflowTracker

    if "MLFLOW_TRACKING_URI" not in os.environ:  # a file store is the one that mlflow-skinny has too
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        mlflow.set_tracking_uri((folder / "mlruns").resolve().as_uri())
    return MLflowTracker("limbeck", run_name=folder.name)


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value if isinstance(value, int | float | str | bool) else str(value)
    return flat
