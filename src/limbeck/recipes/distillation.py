"""Teacher, student and data in; a smaller model and the proof of what it gained out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from torch import nn

from limbeck.evaluate import Fidelity, fidelity
from limbeck.evaluate.quality import predictor
from limbeck.models import Model, save_model
from limbeck.recipes.candidates import Given, name_of
from limbeck.recipes.config import DistillConfig
from limbeck.recipes.draws import refuse_draws
from limbeck.recipes.folder import check_place, open_folder, write_history
from limbeck.recipes.job import Job
from limbeck.recipes.measuring import Composite, Measured, best_of, device_of, facts, facts_together
from limbeck.recipes.opening import opened
from limbeck.recipes.recording import make_record, repeat_command, scheme_facts, write_confusion
from limbeck.recipes.rehearsal import Rehearsal
from limbeck.recipes.settings import settings_from
from limbeck.recipes.setup import GivenData, told_data
from limbeck.recipes.tutor import Tutor
from limbeck.recipes.watching import Show, watchers_for
from limbeck.report.record import RunRecord
from limbeck.tasks import Task
from limbeck.teachers import Teacher
from limbeck.train.engine import processes, wait_for_all

GivenTeacher: TypeAlias = Given | Teacher | Sequence[Given | Teacher] | None
"""One teacher, several, or none where the scheme has none."""


@dataclass(frozen=True)
class Distilled:
    """What :func:`distill` gives back.

    Args:
        student: the student to deploy: of all seeds, the best on validation.
        folder: the run folder.
        record: what ``run.json`` holds.
    """

    student: nn.Module
    folder: Path
    record: RunRecord

    def __repr__(self) -> str:
        verdict = self.record.gain.verdict if self.record.gain else "not compared"
        return f"Distilled(verdict={verdict!r}, report={str(self.report)!r})"

    @property
    def report(self) -> Path:
        """The page to look at."""
        return self.folder / "report.html"


def distill(
    teacher: GivenTeacher,
    student: Given,
    data: GivenData,
    out: str | Path,
    *,
    task: Task | None = None,
    plugins: Sequence[str] = (),
    resume: bool = False,
    show: Show | None = None,
    **settings: Any,
) -> Distilled:
    """Distil a teacher into a student, and prove what that gained and cost.

    The same student is trained alone too, with the same seeds, data order and schedule. A teacher that comes
    without weights is trained first. Everything is opened and checked before the first step.

    Args:
        teacher: a spec such as ``"timm:resnet34"`` or ``"run:runs/teacher"``, a trained module, or any
            :class:`limbeck.teachers.Teacher`; a list of them for the schemes with several, ``None`` for those
            without.
        student: a spec, a module (each seed starts from its weights), or a function that makes a module.
        data: a door such as ``"folder:photos"``, or your own (train, validation, test) datasets or loaders.
        out: the run folder to make.
        task: what the labels mean; by the data unless told.
        plugins: files of your own model factories, for ``plugin:`` specs.
        resume: go on with an interrupted run in ``out``.
        show: where progress is shown; nowhere unless told.
        **settings: any setting of :class:`limbeck.recipes.config.DistillConfig`, by name; the most used ones
            also without their group: ``epochs=10``, ``temperature=2``.

    Returns:
        The student, the run folder and its record.

    Raises:
        LimbeckError: anything that does not fit, before training starts.

    Example:
        >>> import tempfile
        >>> run = distill("mlp:32", "mlp:4", "digits", tempfile.mkdtemp(), seeds=1, epochs=1, limit=100)
        >>> run.record.gain.verdict
        'no evidence'
    """
    teachers = _as_list(teacher)
    names = [name_of(each) for each in teachers]
    named: dict[str, Any] = {"student": name_of(student), "data": name_of(data)}
    named |= {"teacher": names[0]} if names else {}
    named |= {"teachers": names[1:]} if names[1:] else {}
    config = settings_from(DistillConfig, named, settings)
    config.recipe().refuse(config)
    refuse_draws(config)
    check_place(out, resume, [config.train, config.teacher_train], config.trackers)
    job = opened(config, teachers, student, data, task, plugins)
    trainings = _rehearsed(job)
    folder = open_folder(out, job.config, resume)
    return _run(job, folder, show or Show(), trainings)


def _as_list(teacher: GivenTeacher) -> list[Given | Teacher]:
    if teacher is None:
        return []
    return list(teacher) if isinstance(teacher, list | tuple) else [teacher]  # type: ignore[list-item]


def _rehearsed(job: Job) -> int:
    """Try every training on a few samples; return how many there will be."""
    rehearsal = Rehearsal.of(job)
    recipe = job.config.recipe()
    tutor = recipe.tutor(rehearsal)
    once = rehearsal.trainings
    seed = job.seeds[0]
    if job.config.alone and recipe.usual_alone:
        recipe.train_alone(rehearsal, seed)
    recipe.train_student(rehearsal, tutor, seed)
    return once + len(job.seeds) * (rehearsal.trainings - once)


def _run(job: Job, folder: Path, show: Show, trainings: int) -> Distilled:
    """Train and measure everything, then write the run down."""
    recipe, students = job.config.recipe(), []
    job.folder = folder
    show.tell(_summary(job))
    with watchers_for(show, folder, job.config, trainings) as watchers:
        job.watchers = watchers
        tutor = recipe.tutor(job)
        for seed in job.seeds:
            if job.config.alone and recipe.usual_alone:
                recipe.train_alone(job, seed)
            students.append(recipe.train_student(job, tutor, seed))
    measured = job.measured["student"]
    assert isinstance(measured, Measured)
    number = best_of(measured.validation, job.task.higher_is_better)
    chosen, taught = students[number], recipe.taught(job, tutor, job.seeds[number])
    record = _record(job, tutor, taught, chosen)
    if processes()[0] == 0:
        _write(job, record, chosen)
    wait_for_all()
    return Distilled(chosen.module, folder, record)


def _summary(job: Job) -> str:
    """Say what is about to be done."""
    recipe, count = job.config.recipe(), len(job.seeds)
    paired = "paired " if job.config.alone and recipe.usual_alone else ""
    seeds = f"{count} {paired}seed{'s' if count > 1 else ''}"
    teachers = " and ".join(name_of(each.given) for each in job.teachers)
    student = name_of(job.student.given)
    what = f"{teachers} teach{'' if len(job.teachers) > 1 else 'es'} {student}" if teachers else student
    named = "" if recipe.name == "Offline" else f" ({recipe.name})"
    return f"{told_data(job.data)}\n{what}{named}, {seeds}."


def _record(job: Job, tutor: Tutor | None, taught: Tutor | None, chosen: Model) -> RunRecord:
    entries = {
        key: facts(each, _example(job, each))
        for key, each in job.measured.items()
        if isinstance(each, Measured)
    }
    for key, each in job.measured.items():
        if isinstance(each, Composite):
            entries[key] = facts_together(each, [_facts_of(job, entries, member) for member in each.members])
    chosen_by_validation = job.config.train.select == "best" and job.config.recipe().chooses
    return make_record(
        kind="distill",
        config=job.config,
        command=repeat_command("distill", job.folder, job.plugins, job.config),
        seeds=job.seeds,
        data=job.data,
        fingerprint=job.fingerprint,
        task=job.task,
        models=[entries[key] for key in job.measured],
        measured=job.measured,
        protocol={
            "teacher": None if tutor is None else "fixed",
            "teacher_trained_here": tutor is not None and tutor.trained_here,
            "selection": "best validation epoch" if chosen_by_validation else "last epoch",
        },
        fidelity=None if taught is None else _fidelity(job, taught, chosen),
        teacher_forwards=job.teacher_forwards,
        teacher_precision=None if tutor is None else tutor.precision(),
        history=job.history,
        extra={"notes": job.notes, "scheme": scheme_facts(job.config.recipe()), **job.extra},
    )


def _facts_of(job: Job, entries: dict[str, dict[str, Any]], member: Measured) -> dict[str, Any]:
    """Return a member's entry, made for it where it has no row of its own."""
    found = next((key for key, each in job.measured.items() if each is member), None)
    return entries[found] if found is not None else facts(member, _example(job, member))


def _fidelity(job: Job, tutor: Tutor, student: Model) -> Fidelity:
    reader = job.reader({"student": student.inputs, **tutor.inputs})
    return fidelity(
        predictor(student.module, job.task),
        lambda batch: tutor.teacher(replace(batch, targets=None), job.task),
        reader.whole(job.data.test),
        job.task,
        device=device_of(student.module),
    )


def _example(job: Job, measured: Measured) -> Any:
    """Return one sample as the model reads it."""
    few = job.reader({measured.reads: measured.model.inputs}).few(1)
    return few.to(device_of(measured.model.module)).inputs


def _write(job: Job, record: RunRecord, chosen: Model) -> None:
    from limbeck.report import write_report

    save_model(job.folder, "student", chosen, chosen.module.state_dict(), task=job.task.name)
    write_history(job.folder, job.history)
    write_confusion(job.folder, job.measured)
    record.write(job.folder)
    write_report(job.folder)
