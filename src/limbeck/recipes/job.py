"""One distillation with everything open: what a scheme's recipe trains, measures and keeps by."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from limbeck.data import Data, default_augmentation
from limbeck.evaluate.quality import evaluate
from limbeck.models import Model, save_model
from limbeck.models.model import Inputs
from limbeck.recipes.caching import Caching, note_cache, served
from limbeck.recipes.candidates import Candidate, Given, as_they_are
from limbeck.recipes.config import DistillConfig
from limbeck.recipes.course import Course, named
from limbeck.recipes.lessons import Lessons, Make
from limbeck.recipes.measuring import Composite, Measured, device_of, scores_on_test
from limbeck.recipes.setup import GivenData, Reader
from limbeck.recipes.tutor import Tutor
from limbeck.recipes.wiring import Wiring
from limbeck.schemes import Offline, Scheme, Supervised
from limbeck.tasks import Task
from limbeck.teachers import Cached, Frozen, Teacher
from limbeck.train import Feed, Plan, Run, Stage, fit_stages
from limbeck.train.engine import processes

SMALL = 4
"""Samples to try losses on: what relates samples needs up to three."""


@dataclass
class Job:
    """What a recipe works with.

    Args:
        config: the run's settings.
        data: the samples.
        task: what the labels mean.
        teachers: the doors of the teachers, in the order given.
        student: the student's door.
        plugins: files of the person's own factories.
        given: the data as the person gave it.
        fingerprint: of the data as it was opened, before a scheme left anything out.
        folder: of the run, once there is one.
        watchers: told of every training.
        measured: what was measured, by key: ``alone``, ``student``, ``teacher``, ``assistant-1`` and so on.
        history: rows of every training.
        teacher_forwards: samples that teachers were asked about while students learnt.
        notes: what the reader of the record should know, a sentence each.
        extra: further entries of the record, by their names there.
        trained: what trainings gave, by the names of their checkpoints: ``alone-0``, ``teacher``.
        scheme: that of the latest main training of a student.
    """

    config: DistillConfig
    data: Data
    task: Task
    teachers: Sequence[Candidate]
    student: Candidate
    plugins: Sequence[str] = ()
    given: GivenData = ()
    fingerprint: str = ""
    folder: Path = Path()
    watchers: Any = ()
    measured: dict[str, Measured | Composite] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    teacher_forwards: int = 0
    notes: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    trained: dict[str, Model] = field(default_factory=dict)
    scheme: Scheme | None = None

    rehearsal: ClassVar[bool] = False
    """Whether nothing is trained, only tried."""

    @property
    def seeds(self) -> list[int]:
        """Seeds of the students."""
        return [self.config.train.seed + number for number in range(self.config.seeds)]

    @functools.cached_property
    def caching(self) -> Caching | None:
        """What is kept of the teachers' answers."""
        return Caching.of(self.config)

    def candidate(self, given: Given | Teacher, role: str) -> Candidate:
        """Return the door of a further network, an assistant or a peer."""
        return Candidate(given, role, self.data, self.task, plugins=self.plugins)

    def augmentation(self) -> str:
        """Return the name of the transfer set's augmentation."""
        return self.config.augment if self.config.augment is not None else default_augmentation(self.data)

    def reader(self, inputs: Mapping[str, Inputs]) -> Reader:
        """Return what reads the run's data for networks in these roles."""
        return Reader(self.data, inputs, self.config.mix, self.config.views_per_decode)

    def feed(
        self,
        inputs: Mapping[str, Inputs],
        seed: int,
        augment: str | Mapping[str, str] | None = None,
        labelled: bool = False,
    ) -> Feed:
        """Return transfer set and validation part; only the labelled samples, in as many steps, where asked.

        Where answers are kept, all students draw their views from one seed, so that each answer serves all of them.
        """
        wanted = augment if augment is not None else self.config.augment
        reader, ratio, caching = self.reader(inputs), self.config.ratio, self.caching
        seed = seed if caching is None else caching.seed
        if labelled:
            return reader.labelled_feed(wanted, seed, ratio)
        return reader.feed(wanted, seed, ratio, cycle=None if caching is None else caching.views)

    def teacher(
        self, candidate: Candidate, key: str = "teacher", role: str = "teacher", stage: int = 0
    ) -> Tutor:
        """Return a teacher ready to teach: opened, trained on the labels if it came without weights, frozen.

        Args:
            candidate: its door.
            key: what its measurements and files are called.
            role: which of a batch's inputs it reads.
            stage: number among the teachers.
        """
        if isinstance(candidate.given, Teacher):
            return Tutor(candidate.given, {role: as_they_are(candidate.data)})
        plan = self.config.teacher_train or self.config.train
        # data of its own, as merged teachers have, is a part of the run's
        part = "all" if candidate.data.source is self.data.source else candidate.data.name
        about: dict[str, Any] = {"stage": stage, "part": part, "data": candidate.data}
        model = candidate.open(plan.seed)
        if model.weights is not None:
            self.measure(key, "teacher", model, None, role, **about)
            return Tutor(self.frozen(model, role), {role: model.inputs})
        inputs = {role: model.inputs}
        augment = self.config.teacher_augment
        course = Course(
            [Stage(key, lambda: Supervised(model.module, self.task, role))],
            model,
            inputs,
            feed=lambda: Reader(candidate.data, inputs).labelled_feed(
                augment if augment is not None else self.config.augment, plan.seed, None
            ),
            plan=plan,
        )
        run = self.fit(key, course)
        self.measure(key, "teacher", model, run, role, **about)
        self.keep(key, model)
        return Tutor(self.frozen(model, role), inputs, trained_here=True)

    def frozen(self, model: Model, role: str = "teacher") -> Frozen:
        """Return a trained network as a teacher, its precision chosen by the evidence of 64 samples."""
        teacher = Frozen(model.module, role=role, **self.config.of_frozen())
        teacher.calibrate(self.reader({role: model.inputs}).few(64), self.task)
        return teacher

    def lessons(self, model: Model, tutor: Tutor, seed: int, make: Make = Offline) -> Lessons:
        """Return what a student is taught, wired between its layers and its teacher's.

        Args:
            model: the student.
            tutor: who teaches.
            seed: of adapters and learnable losses.
            make: makes the main stage's scheme.
        """
        found = tutor.layers()
        wiring = self.wiring(model, found.network, found.inputs, seed, found.prefix)
        teacher = tutor.teacher if self.caching is None else Cached(tutor.teacher)
        return Lessons(self.config.kd, wiring, teacher, functools.partial(self._remembered, make))

    def _remembered(self, make: Make, *args: Any) -> Scheme:
        self.scheme = make(*args)
        return self.scheme

    def wiring(
        self, model: Model, other: nn.Module | None, inputs: Mapping[str, Inputs], seed: int, prefix: str = ""
    ) -> Wiring:
        """Return what terms between a student and another network are made by.

        Args:
            model: the student.
            other: the network it learns from.
            inputs: what that one is fed, by role.
            seed: of adapters and learnable losses.
            prefix: before the names of its layers, where it is one of several teachers.
        """
        few = self.reader({"student": model.inputs, **inputs}).few(SMALL).to(device_of(model.module))
        return Wiring(model.module, other, few, self.task, self.data.transfer_set, seed, prefix)

    def fit(self, key: str, course: Course, seed: int | None = None) -> Run:
        """Go through a course, or on with it where it was interrupted.

        Args:
            key: what files and history call it.
            course: the trainings.
            seed: of the student; ``None`` for what the run trains once.
        """
        plan = course.plan or self.config.train
        plan = plan if seed is None else plan.model_copy(update={"seed": seed})
        name = named(key, seed)
        with served(self.caching, course, self._feed_of(course, plan), self.folder) as feed:
            run = fit_stages(
                course.stages,
                feed,
                plan,
                folder=self.folder / "checkpoints" / name,
                resume=True,
                watchers=self.watchers,
                label=key,
            )
            note_cache(self.extra, key, course, run)
        if run.model is not course.model.module:  # an average, say, that the scheme keeps apart
            course.model.module.load_state_dict(run.model.state_dict())
        self.trained[name] = course.model
        self.history += run.history
        self.teacher_forwards += run.teacher_forwards
        return run

    def _feed_of(self, course: Course, plan: Plan) -> Feed:
        return course.feed() if course.feed else self.feed(course.inputs, plan.seed, course.augment)

    def measure(
        self,
        key: str,
        role: str,
        model: Model,
        run: Run | None,
        reads: str | None = None,
        *,
        stage: int = 0,
        part: str = "all",
        data: Data | None = None,
    ) -> None:
        """Read the test part once for a trained network and remember its scores.

        Args:
            key: what the scores are kept under; those of several seeds under one.
            role: its role in the record.
            model: the network.
            run: how it was trained, or ``None`` where it came with weights.
            reads: which of a batch's inputs it reads; its role's unless told.
            stage: number of its stage or of the network among those of its role, from 0.
            part: the part of the data that it was made for.
            data: whose test part is read; the run's unless told.
        """
        reader = Reader(data or self.data, {reads or role: model.inputs})
        entry = self.measured.setdefault(
            key, Measured(role, model, stage=stage, part=part, reads=reads or role)
        )
        assert isinstance(entry, Measured)
        if run is None:
            entry.selected.append(scores_on_test(model, reader, self.task, entry.reads))
        else:
            entry.take(run, model, reader, self.task, entry.reads)

    def measure_together(
        self, key: str, role: str, tutor: Tutor, members: Sequence[str | Measured], stage: int
    ) -> None:
        """Measure a teacher made of several networks, whose sizes are added up.

        Args:
            key: what the scores are kept under.
            role: its role in the record.
            tutor: the teacher.
            members: keys of the networks that it is made of, or these where they have no row of their own.
            stage: number of the row among those of its role.
        """
        found = evaluate(
            lambda batch: tutor.teacher(replace(batch, targets=None), self.task),
            self.reader(tutor.inputs).batches(self.data.test),
            self.task,
            device=self._device(),
        )
        networks = [self.measured[each] if isinstance(each, str) else each for each in members]
        made_of = [each for each in networks if isinstance(each, Measured)]
        spent = sum(
            each.seconds for each in members if isinstance(each, Measured)
        )  # others have rows of their own
        fresh = Composite(role, type(tutor.teacher).__name__, made_of, [], stage, spent)
        entry = self.measured.setdefault(key, fresh)
        assert isinstance(entry, Composite)
        entry.selected.append(found)

    def _device(self) -> Any:
        networks = [each.model.module for each in self.measured.values() if isinstance(each, Measured)]
        return device_of((networks or [self.student.open(0).module])[0])

    def keep(self, key: str, model: Model) -> None:
        """Write a network into the run's folder, where ``run:DIR#KEY`` finds it; by the first process alone."""
        if processes()[0] == 0:
            save_model(self.folder, key, model, model.module.state_dict(), task=self.task.name)
