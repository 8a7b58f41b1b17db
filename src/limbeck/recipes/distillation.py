"""Teacher, student and data in; a smaller model and the proof of what it gained out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from limbeck.data import Data
from limbeck.errors import LimbeckError
from limbeck.evaluate import Fidelity, fidelity
from limbeck.evaluate.quality import predictor
from limbeck.models import Model, save_model
from limbeck.models.model import Inputs
from limbeck.recipes.candidates import Candidate, Given, check_outputs, name_of, task_for
from limbeck.recipes.config import DistillConfig
from limbeck.recipes.folder import check_place, open_folder, write_history
from limbeck.recipes.lessons import Lessons
from limbeck.recipes.measuring import Measured, best_of, device_of, facts
from limbeck.recipes.recording import make_record, repeat_command, write_confusion
from limbeck.recipes.settings import settings_from
from limbeck.recipes.setup import GivenData, Reader, open_given, told_data
from limbeck.recipes.tutor import Tutor, made_ready, ready_made
from limbeck.recipes.watching import Show, watchers_for
from limbeck.recipes.wiring import Wiring
from limbeck.report.record import RunRecord
from limbeck.schemes import Supervised
from limbeck.tasks import Task
from limbeck.teachers import Frozen, Teacher
from limbeck.train import Stage, fit_stages
from limbeck.train.engine import processes, wait_for_all

SMALL = 4  # samples to try losses on: what relates samples needs up to three


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
    teacher: Given | Teacher,
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
            :class:`limbeck.teachers.Teacher`.
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
    named = {"teacher": name_of(teacher), "student": name_of(student), "data": name_of(data)}
    config = settings_from(DistillConfig, named, settings)
    check_place(out, resume, [config.train, config.teacher_train], config.trackers)
    job = _prepared(config, teacher, student, data, task, plugins)
    folder = open_folder(out, job.config, resume)
    return job.run(folder, show or Show())


def _prepared(
    config: DistillConfig,
    teacher: Given | Teacher,
    student: Given,
    given_data: GivenData,
    task: Task | None,
    plugins: Sequence[str],
) -> "_Distillation":
    """Open data and models; all that is wrong with the models is told together."""
    data = open_given(given_data, config)
    task = task or task_for(data)
    config = config.model_copy(update={"kd": config.kd.for_task(task.name, len(data.classes or ()) or None)})
    wanted = {
        "teacher": (teacher, config.teacher_weights, config.teacher_pretrained, config.teacher_size),
        "student": (student, config.student_weights, config.student_pretrained, config.student_size),
    }
    candidates = {
        role: Candidate(given, role, data, task, weights, pretrained, size, plugins)
        for role, (given, weights, pretrained, size) in wanted.items()
    }
    job = _Distillation(config, data, task, candidates["teacher"], candidates["student"], plugins)
    wrong = []
    for candidate in candidates.values():
        try:
            job.check(candidate)
        except LimbeckError as error:
            wrong.append(str(error))
    if wrong:
        raise LimbeckError("\n".join(wrong))
    job.check_lessons()
    return job


@dataclass
class _Distillation:
    """One run, with everything open and checked."""

    config: DistillConfig
    data: Data
    task: Task
    teacher: Candidate
    student: Candidate
    plugins: Sequence[str]
    measured: dict[str, Measured] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    students: list[Model] = field(default_factory=list)
    teacher_forwards: int = 0

    def check(self, candidate: Candidate) -> None:
        if isinstance(candidate.given, Teacher):
            return
        model = candidate.open(self.config.train.seed)
        reader = Reader(self.data, {candidate.role: model.inputs})
        for augment in (self.config.augment, self.config.teacher_augment):
            reader.feed(augment, 0)
        classes = len(self.data.classes) if self.data.classes else None
        plan = self.config.plan_of(candidate.role, model.weights)
        check_outputs(model, reader.few().inputs, self.task, classes, candidate.role, plan)

    def check_lessons(self) -> None:
        """Wire what is taught between networks that are not trained yet, and try it on two samples."""
        student = self.student.open(self.config.train.seed)
        if isinstance(self.teacher.given, Teacher):
            tutor = ready_made(self.teacher.given, self.teacher)
            lessons = self.lessons(student, tutor.teacher, tutor.inputs, 0)
        else:
            teacher = self.teacher.open(self.config.train.seed)
            lessons = self.lessons(student, Frozen(teacher.module, precision="fp32"), teacher.inputs, 0)
        lessons.check(self.config.train)

    @property
    def seeds(self) -> list[int]:
        first = self.config.train.seed
        return list(range(first, first + self.config.seeds))

    def run(self, folder: Path, show: Show) -> Distilled:
        roles = ["alone", "student"] if self.config.alone else ["student"]
        show.tell(self.summary())
        with watchers_for(show, folder, self.config, len(self.seeds) * len(roles)) as watchers:
            tutor = self.tutor(folder, watchers)
            for seed in self.seeds:
                for role in roles:
                    self.one(role, seed, tutor, folder, watchers)
        chosen = self.students[best_of(self.measured["student"].validation, self.task.higher_is_better)]
        record = self.record(folder, tutor, chosen)
        if processes()[0] == 0:
            self.write(folder, record, chosen)
        wait_for_all()
        return Distilled(chosen.module, folder, record)

    def summary(self) -> str:
        """Say what is about to be done."""
        seeds = f"{len(self.seeds)} paired seeds" if self.config.alone else f"{len(self.seeds)} seeds"
        return f"{told_data(self.data)}\n{self.config.teacher} teaches {self.config.student}, {seeds}."

    def tutor(self, folder: Path, watchers: Any) -> Tutor:
        if isinstance(self.teacher.given, Teacher):
            tutor = ready_made(self.teacher.given, self.teacher)
        else:
            tutor = made_ready(self.teacher, self.config, folder, watchers)
        if tutor.measured is not None:
            self.measured["teacher"] = tutor.measured
        self.history += tutor.history
        return tutor

    def one(self, role: str, seed: int, tutor: Tutor, folder: Path, watchers: Any) -> None:
        """Train one student, alone or taught, and measure it."""
        model = self.student.open(seed)
        inputs = {"student": model.inputs}
        module = model.module
        stages = [Stage("alone", lambda: Supervised(module, self.task))]
        if role == "student":
            lessons = self.lessons(model, tutor.teacher, tutor.inputs, seed)
            stages = lessons.stages()
            model = lessons.deployed(model)
            inputs["teacher"] = tutor.inputs
        run = fit_stages(
            stages,
            Reader(self.data, inputs).feed(self.config.augment, seed),
            self.config.train.model_copy(update={"seed": seed}),
            folder=folder / "checkpoints" / f"{role}-{seed}",
            resume=True,
            watchers=watchers,
            label=role,
        )
        self.history += run.history
        reader = Reader(self.data, {"student": model.inputs})
        self.measured.setdefault(role, Measured(role, model)).take(run, model, reader, self.task, "student")
        self.teacher_forwards += run.teacher_forwards
        if role == "student":
            self.students.append(model)

    def lessons(self, model: Model, teacher: Teacher, inputs: Inputs, seed: int) -> Lessons:
        """Return what the student is taught, wired between its layers and the teacher's."""
        few = Reader(self.data, {"student": model.inputs, "teacher": inputs}).few(SMALL)
        network = getattr(teacher, "model", None)
        wiring = Wiring(
            model.module,
            network if isinstance(network, nn.Module) else None,
            few.to(device_of(model.module)),
            self.task,
            self.data.train,
            seed,
        )
        return Lessons(self.config.kd, wiring, teacher)

    def record(self, folder: Path, tutor: Tutor, chosen: Model) -> RunRecord:
        return make_record(
            kind="distill",
            config=self.config,
            command=repeat_command("distill", folder, self.plugins, self.config),
            seeds=self.seeds,
            data=self.data,
            task=self.task,
            models=[facts(each, self.example(each)) for each in self.measured.values()],
            measured=self.measured,
            protocol={
                "teacher": "fixed",
                "teacher_trained_here": tutor.trained_here,
                "selection": "best validation epoch" if self.config.train.select == "best" else "last epoch",
            },
            fidelity=self.fidelity(tutor, chosen),
            teacher_forwards=self.teacher_forwards,
            teacher_precision=tutor.precision(),
        )

    def fidelity(self, tutor: Tutor, student: Model) -> Fidelity:
        reader = Reader(self.data, {"student": student.inputs, "teacher": tutor.inputs})
        return fidelity(
            predictor(student.module, self.task),
            lambda batch: tutor.teacher(batch, self.task),
            reader.whole(self.data.test),
            self.task,
            device=device_of(student.module),
        )

    def example(self, measured: Measured) -> Any:
        """Return one sample as the model reads it."""
        few = Reader(self.data, {measured.role: measured.model.inputs}).few(1)
        return few.to(device_of(measured.model.module)).inputs

    def write(self, folder: Path, record: RunRecord, chosen: Model) -> None:
        from limbeck.report import write_report

        save_model(folder, "student", chosen, chosen.module.state_dict(), task=self.task.name)
        write_history(folder, self.history)
        write_confusion(folder, self.measured)
        record.write(folder)
        write_report(folder)
