"""Teachers of private data vote with noise; the student sees nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from pydantic import Field

from limbeck.data import Data
from limbeck.data.part import Part
from limbeck.data.shards import shards
from limbeck.errors import LimbeckError
from limbeck.losses import HardDistillation
from limbeck.models import Model
from limbeck.models.model import Inputs
from limbeck.recipes.candidates import Candidate
from limbeck.recipes.course import Course
from limbeck.recipes.knowledge import Knowledge
from limbeck.recipes.measuring import Measured
from limbeck.recipes.schemes.base import SchemeRecipe
from limbeck.recipes.schemes.untaught import no_terms
from limbeck.recipes.setup import Reader
from limbeck.recipes.tutor import Tutor
from limbeck.schemes import Offline, Supervised, Term
from limbeck.teachers import Ensemble, Frozen, NoisyMax, Voted, Votes, collect_votes
from limbeck.teachers.privacy import check_delta, check_epsilon
from limbeck.train import Feed, Plan, Stage
from limbeck.train.engine import processes, wait_for_all

if TYPE_CHECKING:
    from limbeck.recipes.config import DistillConfig
    from limbeck.recipes.job import Job


@dataclass(frozen=True)
class Voters(Tutor):
    """The teachers, for measuring, and their votes, for teaching."""

    votes: Votes | None = None


class PrivateTeachersRecipe(SchemeRecipe):
    """Many teachers, each of a private shard, vote with noise on public samples; the student sees only the votes.

    The labelled training samples are private, those without a label public. Of the private ones nothing reaches the
    student but what is counted: no statistics, and no epoch chosen by validation.
    """

    title: ClassVar[str] = "private teachers"
    paper: ClassVar[str] = "PATE, Papernot 2017, arXiv 1610.05755; 2018, arXiv 1802.08908"
    situation: ClassVar[str] = "private data, and public samples of the same kind without labels"
    mixes: ClassVar[bool] = False
    needs_unlabelled: ClassVar[bool] = True
    usual_alone: ClassVar[bool] = False
    caches: ClassVar[bool] = False
    one_teacher: ClassVar[bool] = False
    keeps_teachers: ClassVar[bool] = False
    chooses: ClassVar[bool] = False

    name: Literal["PrivateTeachers"] = "PrivateTeachers"
    count: int = Field(default=50, ge=2)
    """Teachers, each with a shard of its own."""
    noise: float = Field(default=10.0, gt=0)
    """In votes: standard deviation of the Gaussian, or scale of the Laplace distribution."""
    mechanism: Literal["gaussian", "laplace"] = "gaussian"
    """Kind of noise."""
    epsilon: float = Field(default=5.0, gt=0)
    """Privacy budget; as many samples are answered as it pays for."""
    delta: float = Field(default=1e-5, gt=0, lt=1)
    """Goes with it; below one over the number of private samples."""
    noise_seed: int | None = None
    """Makes noise that can be made again, for studies only: who knows it can take the noise off."""

    def refuse(self, config: "DistillConfig") -> None:
        """Refuse losses, since votes are taught as classes, and a budget that pays for no answer."""
        super().refuse(config)
        no_terms(self, config.kd)
        if config.ratio is not None:
            raise LimbeckError(
                "PrivateTeachers' student sees no labelled samples, so --ratio has nothing to mix: leave it out."
            )
        if config.teacher_weights or config.teacher_pretrained or str(config.teacher).startswith("run:"):
            raise LimbeckError(
                "PrivateTeachers trains every teacher on a shard of its own, so it takes a spec without weights, such "
                "as cnn:16-32."
            )
        check_epsilon(self.epsilon)
        one = NoisyMax(self.noise, self.mechanism).epsilon(1, self.delta)  # the accountant must be installed
        if one > self.epsilon:
            raise LimbeckError(
                f"A single answer costs epsilon = {one:.4g} at delta = {self.delta:g}, above the budget of "
                f"{self.epsilon:g}: raise scheme.noise from {self.noise:g}, with more teachers to be heard through it, "
                "or scheme.epsilon."
            )

    def knowledge(self, kd: Knowledge, task: str = "classification", classes: int | None = None) -> Knowledge:
        """Return the settings as they are: votes are taught as hard targets."""
        if task != "classification":
            raise LimbeckError(f"PrivateTeachers vote for classes, and this data's task is {task}.")
        return kd

    def arranged(self, job: "Job") -> "Job":
        """Return the run with the public samples as its transfer set."""
        check_delta(self.delta, len(job.data.train))
        public = replace(job.data, train=job.data.unlabelled, unlabelled=job.data.unlabelled[:0])
        return replace(job, data=public, student=replace(job.student, data=public))

    def tutor(self, job: "Job") -> Voters:
        """Return the teachers, trained apart, and what they voted."""
        private = job.teachers[0].data
        parts = shards(private.train, None, self.count, job.config.split_seed)
        trained = [
            self._teacher(job, replace(private, train=part, unlabelled=part[:0]), number)
            for number, part in enumerate(parts[:1] if job.rehearsal else parts, start=1)
        ]
        inputs = {
            f"teacher {number}": measured.model.inputs
            for number, (measured, _) in enumerate(trained, start=1)
        }
        together = Ensemble([teacher for _, teacher in trained])
        votes = self._votes(job, together, inputs, len(private.train))
        tutor = Voters(together, inputs, trained_here=True, votes=votes)
        job.measure_together("teacher", "teacher", tutor, [measured for measured, _ in trained], 0)
        if not job.rehearsal:
            job.extra["privacy"] = self._facts(votes, len(job.data.train))
            job.notes.append(
                "The bound covers what the student learnt. Test scores, and the teachers' row, are measured on "
                "labelled samples beside it."
            )
        return tutor

    def _teacher(self, job: "Job", shard: Data, number: int) -> tuple[Measured, Frozen]:
        """Train one teacher on its shard alone: its statistics too, and no epoch chosen by common data."""
        role, key = f"teacher {number}", f"teacher-{number}"
        plan = _blind(job.config.teacher_train or job.config.train)
        spec = job.teachers[0]
        model = Candidate(spec.given, "teacher", shard, job.task, plugins=spec.plugins).open(
            plan.seed + number
        )
        inputs = {role: model.inputs}
        part = Reader(shard, inputs).feed(job.config.teacher_augment or job.config.augment, plan.seed).train
        module = model.module
        course = Course(
            [Stage(key, lambda: Supervised(module, job.task, role))],
            model,
            inputs,
            feed=lambda: Feed(part),
            plan=plan,
        )
        run = job.fit(key, course)
        return Measured("teacher", model, seconds=run.seconds, reads=role), Frozen(
            module, precision="fp32", role=role
        )

    def _votes(self, job: "Job", together: Ensemble, inputs: Mapping[str, Inputs], records: int) -> Votes:
        """Return the votes of the run: collected once, and read again on resume, since every answer costs."""
        noisy = NoisyMax(self.noise, self.mechanism)
        if job.rehearsal:
            few = job.data.train[:4]
            return Votes(
                few, torch.zeros_like(few), len(job.data.classes or ()), 2, records, noisy, self.delta
            )
        path = job.folder / "votes.safetensors"
        if processes()[0] == 0 and not path.exists():
            public = job.reader(inputs).part(job.data.train)
            votes = collect_votes(
                together.teachers,
                public,
                noisy,
                epsilon=self.epsilon,
                delta=self.delta,
                records=records,
                noise_seed=self.noise_seed,
                task=job.task,
            )
            votes.save(path)
        wait_for_all()
        return Votes.load(path)

    def _facts(self, votes: Votes, asked: int) -> dict[str, object]:
        return {
            "epsilon": votes.epsilon,
            "delta": votes.delta,
            "mechanism": self.mechanism,
            "noise": self.noise,
            "answered": len(votes),
            "asked": asked,
            "teachers": votes.teachers,
            "accountant": "dp-accounting, privacy loss distributions",
        }

    def course(self, job: "Job", model: Model, tutor: Tutor | None, seed: int) -> Course:
        """Return the training on the answered samples."""
        assert isinstance(tutor, Voters)
        votes = tutor.votes
        assert votes is not None
        name, module = job.task.outputs[0], model.module
        part = job.feed({"student": model.inputs}, seed).train
        assert isinstance(part, Part)  # all its samples are public
        answered = replace(part, indices=votes.index)
        return Course(
            [
                Stage(
                    "distillation",
                    lambda: Offline(
                        module, Voted(votes), [Term(HardDistillation(), name, name)], job.task, 0.0
                    ),
                )
            ],
            model,
            {"student": model.inputs},
            feed=lambda: Feed(answered),
            plan=_blind(job.config.train),
        )


def _blind(plan: Plan) -> Plan:
    """Return a plan that chooses nothing by validation."""
    return plan.model_copy(update={"select": "last", "patience": None})
