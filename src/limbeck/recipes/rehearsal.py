"""A run in which everything is opened, wired and tried, and nothing is trained, measured or written."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import ClassVar

import torch

from limbeck.data import Data
from limbeck.data.mixture import Mixture, divided
from limbeck.models import Model
from limbeck.recipes.course import Course, named
from limbeck.recipes.job import SMALL, Job
from limbeck.recipes.measuring import Measured
from limbeck.recipes.trial import try_stages
from limbeck.recipes.tutor import Tutor
from limbeck.teachers import Frozen
from limbeck.train import Run
from limbeck.train.engine import processes


@dataclass
class Rehearsal(Job):
    """A job for the recipes' methods that finds what does not fit before the first step.

    Args:
        trainings: how many trainings were tried.
    """

    trainings: int = 0

    rehearsal: ClassVar[bool] = True

    @classmethod
    def of(cls, job: Job) -> "Rehearsal":
        """Return a rehearsal of ``job``; what it notes and measures does not reach the job."""
        shared = ("config", "data", "task", "teachers", "student", "plugins", "given")
        return cls(**{each.name: getattr(job, each.name) for each in fields(job) if each.name in shared})

    def frozen(self, model: Model, role: str = "teacher") -> Frozen:
        """Return the network as a teacher, trained or not."""
        return Frozen(model.module, precision="fp32", role=role)

    def fit(self, key: str, course: Course, seed: int | None = None) -> Run:
        """Try each stage of the course on a few samples."""
        self.trainings += 1
        self.trained[named(key, seed)] = course.model
        plan = course.plan or self.config.train
        feed = self._feed_of(course, plan)
        if self.caching is not None:
            self.caching.refuse(course, feed, self.task)
        part = feed.train
        if isinstance(part, Mixture):
            divided(
                plan.batch_size, part.ratio, processes()[1]
            )  # refuses a ratio that leaves a batch without a kind
        few = torch.cat([part.indices[: SMALL // 2], part.indices[-SMALL // 2 :]])  # both kinds of a mixture
        try_stages(course.stages, part.views.read(few, torch.zeros_like(few)), plan)
        return Run(course.model.module, [], {}, {}, None, 0, 0, 0.0)

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
        """Measure nothing."""

    def measure_together(
        self, key: str, role: str, tutor: Tutor, members: Sequence[str | Measured], stage: int
    ) -> None:
        """Measure nothing."""

    def keep(self, key: str, model: Model) -> None:
        """Write nothing."""
