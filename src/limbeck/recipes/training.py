"""One model and data in; a trained model that ``run:DIR`` names out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from limbeck.models import save_model
from limbeck.recipes.candidates import Candidate, Given, check_outputs, name_of, task_for
from limbeck.recipes.config import TrainConfig
from limbeck.recipes.draws import refuse_draws
from limbeck.recipes.folder import check_place, open_folder, write_history
from limbeck.recipes.measuring import Measured, best_of, device_of, facts
from limbeck.recipes.recording import make_record, repeat_command, write_confusion
from limbeck.recipes.settings import settings_from
from limbeck.recipes.setup import GivenData, Reader, open_given, told_data
from limbeck.recipes.watching import Show, watchers_for
from limbeck.report.record import RunRecord
from limbeck.schemes import Supervised
from limbeck.tasks import Task
from limbeck.train import fit
from limbeck.train.engine import processes, wait_for_all


@dataclass(frozen=True)
class Trained:
    """What :func:`train` gives back.

    Args:
        model: of all seeds, the best on validation.
        folder: the run folder, which ``run:DIR`` names as a model.
        record: what ``run.json`` holds.
    """

    model: nn.Module
    folder: Path
    record: RunRecord

    def __repr__(self) -> str:
        return f"Trained(folder={str(self.folder)!r})"


def train(
    model: Given,
    data: GivenData,
    out: str | Path,
    *,
    task: Task | None = None,
    plugins: Sequence[str] = (),
    resume: bool = False,
    show: Show | None = None,
    **settings: Any,
) -> Trained:
    """Train one model on its labels, a teacher say, into a run folder.

    Args:
        model: a spec, a module, or a function that makes one.
        data: a door, or your own datasets or loaders.
        out: the run folder to make.
        task: what the labels mean; by the data unless told.
        plugins: files of your own model factories, for ``plugin:`` specs.
        resume: go on with an interrupted run in ``out``.
        show: where progress is shown; nowhere unless told.
        **settings: any setting of :class:`limbeck.recipes.config.TrainConfig`, by name.

    Returns:
        The model, the run folder and its record.

    Raises:
        LimbeckError: anything that does not fit, before training starts.

    Example:
        >>> import tempfile
        >>> run = train("mlp:16", "digits", tempfile.mkdtemp(), epochs=1, limit=100)
        >>> run.record.kind
        'train'
    """
    config = settings_from(TrainConfig, {"model": name_of(model), "data": name_of(data)}, settings)
    check_place(out, resume, [config.train], config.trackers)
    refuse_draws(config)
    opened = open_given(data, config)
    opened = replace(
        opened, unlabelled=opened.unlabelled[:0]
    )  # without a teacher there is nothing to learn from them
    task = task or task_for(opened)
    candidate = Candidate(
        model, "model", opened, task, config.weights, config.pretrained, config.model_size, plugins
    )
    first = candidate.open(config.train.seed)
    reader = Reader(opened, {"model": first.inputs}, config.mix, config.views_per_decode)
    reader.feed(config.augment, 0)
    classes = len(opened.classes) if opened.classes else None
    check_outputs(first, reader.few().inputs, task, classes, "model", config.train)
    folder = open_folder(out, config, resume)
    return _train(candidate, config, folder, show or Show(), plugins)


def _train(
    candidate: Candidate, config: TrainConfig, folder: Path, show: Show, plugins: Sequence[str]
) -> Trained:
    data, task = candidate.data, candidate.task
    seeds = list(range(config.train.seed, config.train.seed + config.seeds))
    models, history = [], []
    measured: dict[str, Measured] = {}
    show.tell(told_data(data))
    with watchers_for(show, folder, config, len(seeds)) as watchers:
        for seed in seeds:
            model = candidate.open(seed)
            reader = Reader(data, {"model": model.inputs}, config.mix, config.views_per_decode)
            run = fit(
                Supervised(model.module, task, "model"),
                reader.feed(config.augment, seed),
                config.train.model_copy(update={"seed": seed}),
                folder=folder / "checkpoints" / f"model-{seed}",
                resume=True,
                watchers=watchers,
                label="model",
            )
            measured.setdefault("model", Measured("model", model)).take(run, model, reader, task, "model")
            history += run.history
            models.append(model)
    chosen = models[best_of(measured["model"].validation, task.higher_is_better)]
    example = Reader(data, {"model": chosen.inputs}).few(1).to(device_of(chosen.module)).inputs
    record = make_record(
        kind="train",
        config=config,
        command=repeat_command("train", folder, plugins, config),
        seeds=seeds,
        data=data,
        task=task,
        models=[facts(measured["model"], example)],
        measured=measured,
        protocol={
            "teacher": None,
            "teacher_trained_here": False,
            "selection": "best validation epoch" if config.train.select == "best" else "last epoch",
        },
    )
    if processes()[0] == 0:
        from limbeck.report import write_report

        save_model(folder, "model", chosen, chosen.module.state_dict(), task=task.name)
        write_history(folder, history)
        write_confusion(folder, measured)
        record.write(folder)
        write_report(folder)
    wait_for_all()
    return Trained(chosen.module, folder, record)
