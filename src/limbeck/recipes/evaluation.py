"""A finished run measured again: on its own test part, or on other data."""

import datetime
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

import limbeck
from limbeck.data import Data
from limbeck.errors import LimbeckError
from limbeck.evaluate import Fidelity, evaluate, fidelity
from limbeck.evaluate.cost import cost
from limbeck.evaluate.quality import predictor
from limbeck.files import write_text
from limbeck.models import Model
from limbeck.recipes.candidates import task_for
from limbeck.recipes.config import DistillConfig, TrainConfig
from limbeck.recipes.finished import Finished, device_for
from limbeck.recipes.measuring import scores_on_test
from limbeck.recipes.recording import environment
from limbeck.recipes.reunion import Reunion, reunited
from limbeck.recipes.setup import Reader
from limbeck.recipes.telling import say, show_table
from limbeck.recipes.tutor import Tutor
from limbeck.report import formats
from limbeck.tasks import Task
from limbeck.teachers import Frozen
from limbeck.types import Batch, Outputs


def evaluate_run(
    run: Path,
    data: str | None = None,
    console: Console | None = None,
    *,
    plugins: Sequence[str | Path] = (),
    skip_bad: bool = False,
) -> dict[str, Any]:
    """Measure a run's models by the code that measured them when they were trained.

    Args:
        run: the run folder; ``evaluation.json`` is written there.
        data: other data than the run's own; its test part is read.
        console: where the table is printed; nowhere unless told.
        plugins: files of the person's own factories, for models that came from one.
        skip_bad: leave out unreadable images even if the run did not.

    Returns:
        What was written: scores and cost of each model, the student's fidelity to the teacher, and what became of
        the teacher's mistakes.

    Raises:
        LimbeckError: no finished run, data with other classes, or a model that cannot be built again.

    Example:
        >>> evaluate_run(Path("no/such/run"))
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: No finished run in no/such/run: the folder does not exist. ...
    """
    console = console or Console(quiet=True)
    finished = Finished.open(run, plugins)
    opened = finished.data(data, skip_bad=skip_bad)
    task = task_for(opened)
    device = device_for(finished.config.train.device)
    models = {role: _moved(each, device) for role, each in _models(finished, opened, task, console).items()}
    measured = [_measured(role, each, opened, task, device) for role, each in models.items()]
    tutor, several = _tutor(finished, models, opened, task, device, console)
    if tutor is not None and several is not None:
        measured.insert(0, _measured_together(tutor, several, opened, task, device))
    followed = None if tutor is None else _fidelity(tutor, models["student"], opened, task, device)
    found = {
        "schema": 1,
        "limbeck": limbeck.__version__,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "data": _data_facts(finished, opened, own=data is None),
        "models": measured,
        "taught_by": finished.taught_by if followed else None,
        "fidelity": {"agreement": followed.agreement, "kl": _finite(followed.kl)} if followed else None,
        "mistakes": followed.mistakes.to_dict() if followed and followed.mistakes else None,
        "environment": environment(),
    }
    write_text(finished.folder / "evaluation.json", json.dumps(found, indent=2, allow_nan=False) + "\n")
    _print(found, finished.folder, task, console)
    return found


def _models(finished: Finished, data: Data, task: Task, console: Console) -> dict[str, Model]:
    """Return what can be measured: the run's result, the teacher wherever it came from, and whoever else taught."""
    models = {}
    if _has_one_teacher(finished.config):
        try:
            models["teacher"] = finished.first_teacher(data, task)
        except LimbeckError as error:  # it lies outside the run, which is whole without it
            if finished.has("teacher"):
                raise
            say(console, f"The teacher is left out. {error}")
    if finished.has(finished.taught_by):
        models[finished.taught_by] = finished.model(finished.taught_by, data)
    return {**models, finished.result: finished.model(finished.result, data)}


def _moved(model: Model, device: torch.device) -> Model:
    model.module.to(device)
    return model


def _data_facts(finished: Finished, data: Data, own: bool) -> dict[str, Any]:
    fingerprint = data.fingerprint()
    return {
        "name": data.name,
        "fingerprint": fingerprint,
        "test": len(data.test),
        "changed": own and fingerprint != finished.record.data.fingerprint,
        "skipped": list(data.skipped),
    }


def _measured(role: str, model: Model, data: Data, task: Task, device: torch.device) -> dict[str, Any]:
    reader = Reader(data, {role: model.inputs})
    scores = scores_on_test(model, reader, task, role).scores
    example = reader.part(data.test).views.__getitems__([(int(data.test[0]), 0)]).to(device).inputs
    return {
        "role": role,
        "name": model.name,
        **cost(model.module, example).to_dict(),
        "scores": {name: _finite(value) for name, value in scores.items()},
    }


def _measured_together(
    tutor: Tutor, several: Reunion, data: Data, task: Task, device: torch.device
) -> dict[str, Any]:
    batches = Reader(data, tutor.inputs).batches(data.test)
    found = evaluate(lambda batch: _answer(tutor, batch, task), batches, task, device=device)
    return {
        **several.facts(tutor, data),
        "scores": {name: _finite(value) for name, value in found.scores.items()},
    }


def _has_one_teacher(config: TrainConfig | DistillConfig) -> bool:
    return (
        isinstance(config, DistillConfig)
        and config.teacher is not None
        and not config.recipe().reunites(config)
    )


def _tutor(
    finished: Finished,
    models: dict[str, Model],
    data: Data,
    task: Task,
    device: torch.device,
    console: Console,
) -> tuple[Tutor | None, Reunion | None]:
    """Return who taught the student, as far as it can be opened again; and what it is made of, if of several."""
    config = finished.config
    if not isinstance(config, DistillConfig) or "student" not in models:
        return None, None
    if config.recipe().reunites(config):
        try:
            return reunited(finished)
        except LimbeckError as error:
            say(console, f"The teacher is left out. {error}")
            return None, None
    if finished.taught_by not in models:
        return None, None
    teacher = models[finished.taught_by]
    frozen = Frozen(teacher.module, precision=config.teacher_precision)
    frozen.calibrate(Reader(data, {"teacher": teacher.inputs}).few(64).to(device), task)
    return Tutor(config.recipe().answering(frozen), {"teacher": teacher.inputs}), None


def _fidelity(tutor: Tutor, student: Model, data: Data, task: Task, device: torch.device) -> Fidelity:
    return fidelity(
        predictor(student.module, task),
        lambda batch: _answer(tutor, batch, task),
        Reader(data, {"student": student.inputs, **tutor.inputs}).whole(data.test),
        task,
        device=device,
    )


def _answer(tutor: Tutor, batch: Batch, task: Task) -> Outputs:
    return tutor.teacher(replace(batch, targets=None), task)


def _finite(value: float) -> float | None:
    """JSON has no NaN: a score that is undefined is null, as in ``run.json``."""
    return value if math.isfinite(value) else None


def _print(found: dict[str, Any], folder: Path, task: Task, console: Console) -> None:
    data, models = found["data"], found["models"]
    if data["changed"]:
        say(
            console,
            f"{data['name']} is no longer what the run read (its fingerprint differs): these scores and the run's "
            "do not compare.",
        )
    heads = [f"{each['role']}\n{each['name']}" for each in models]
    title = f"{data['test']:,} test samples of {data['name']}"
    show_table(console, ["", *heads], _rows(models, task), title)
    if found["fidelity"]:
        say(console, _told(found["fidelity"], task, _called(found["taught_by"])))
    if found["mistakes"]:
        say(console, _told_mistakes(found["mistakes"], _called(found["taught_by"])))
    say(console, f"Written: {folder / 'evaluation.json'}")


def _rows(models: list[dict[str, Any]], task: Task) -> list[list[str]]:
    names = sorted(
        models[0]["scores"], key=lambda name: name != task.metric
    )  # the one that decides comes first
    batch, threads = (models[-1]["latency_ms"][key] for key in ("batch", "threads"))
    return [
        *(
            [formats.metric_name(name), *(formats.score(name, each["scores"][name]) for each in models)]
            for name in names
        ),
        ["parameters", *(formats.count(each["parameters"]) for each in models)],
        ["MACs", *(formats.count(each["macs"]) for each in models)],
        ["bytes", *(formats.size(each["bytes"]) for each in models)],
        [
            f"latency (batch {batch}, {threads} thread{'s' if threads > 1 else ''})",
            *(
                formats.milliseconds(each["latency_ms"]["median"]) if each["latency_ms"] else ""
                for each in models
            ),
        ],
    ]


def _called(role: str) -> str:
    """Return what the network that taught is called."""
    if role.startswith("assistant"):
        return "assistant" if role == "assistant-1" else "last assistant"
    return "generation before" if role == "generation" else role


def _told(found: dict[str, float | None], task: Task, tutor: str) -> str:
    if task.name == "regression":
        return (
            f"Fidelity: mean squared difference from the {tutor}'s values "
            f"{formats.score('mse', found['kl'])} (standardised)."
        )
    return (
        f"Fidelity: {tutor} and student agree on {formats.score('agreement', found['agreement'])} of the samples; "
        f"KL {formats.score('kl', found['kl'])} nats."
    )


def _told_mistakes(found: dict[str, Any], tutor: str = "teacher") -> str:
    """Say in a sentence what became of the mistakes of whoever taught."""
    if not found["teacher"]:
        return f"The {tutor} makes no mistake on these samples; the student makes {found['new']:,}."
    inherited, otherwise, corrected = (
        f"{found[part]:,} ({formats.share(found[part], found['teacher'])})"
        for part in ("inherited", "otherwise", "corrected")
    )
    return (
        f"Of the {tutor}'s {found['teacher']:,} mistakes the student inherits {inherited}, replaces {otherwise} by "
        f"another mistake and corrects {corrected}; it makes {found['new']:,} of its own."
    )
