"""Teachers with different classes teach one student all of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from limbeck.data import Data
from limbeck.data.joined import Joined, joined
from limbeck.errors import LimbeckError
from limbeck.models import Model
from limbeck.recipes.course import Course
from limbeck.recipes.schemes.base import MANY, ClassName, SchemeRecipe
from limbeck.recipes.setup import GivenData, open_transfer_set
from limbeck.recipes.together import every_teacher
from limbeck.recipes.tutor import Tutor
from limbeck.teachers import Merged, renamed
from limbeck.train import Run

if TYPE_CHECKING:
    from limbeck.recipes.config import DistillConfig
    from limbeck.recipes.job import Job

UNREADABLE = ("LogitRegression", "LogitStandardization", "AnnealingKD", "MultiLevel")
"""Losses that regress or standardise logits, which a merged teacher has only where it knows the class."""


class MergedRecipe(SchemeRecipe):
    """Teachers of different, possibly overlapping, classes each teach what they know of the union.

    Each teacher comes with data of its own: the first with `--data`, the next ones with `scheme.data`, in order.
    """

    title: ClassVar[str] = "merged teachers"
    paper: ClassVar[str] = "knowledge amalgamation, Shen 2019, arXiv 1811.02796"
    situation: ClassVar[str] = "several models, each of classes of its own, and one that knows all is wanted"
    mixes: ClassVar[bool] = False
    teachers: ClassVar[tuple[int, int]] = (2, MANY)
    one_teacher: ClassVar[bool] = False

    name: Literal["Merged"] = "Merged"
    data: list[str] = Field(default_factory=list)
    """Data of the second teacher and of those after it, as `--data` names data."""
    prefixes: list[str] | None = None
    """Put before the class names of each teacher, where one name means different things."""
    names: list[dict[ClassName, ClassName]] | None = None
    """For each teacher, its class names as the union is to have them: `[{automobile: car}, {}]`."""
    unlabelled: Literal["all", "confident"] = "all"
    """Who teaches samples without a label: all teachers, or the most confident one."""

    def refuse(self, config: "DistillConfig") -> None:
        """Refuse data, prefixes or mappings that are not one for each teacher, and losses that read raw logits."""
        super().refuse(config)
        count = 1 + len(config.teachers)
        for what, given in (
            ("data", [config.data, *self.data]),
            ("prefixes", self.prefixes),
            ("names", self.names),
        ):
            if given is not None and len(given) != count:
                wanted = "each but the first, whose data is --data" if what == "data" else "each"
                raise LimbeckError(
                    f"Merged has {count} teachers, but {len(given) - (what == 'data')} in scheme.{what}: give one for "
                    f"{wanted}, in the teachers' order."
                )
        regressed = [
            each for each in (config.kd.loss, *(one.loss for one in config.kd.also)) if each in UNREADABLE
        ]
        if regressed:
            raise LimbeckError(
                f"{regressed[0]} compares logits, and merged teachers have none for classes that they do not know: "
                "take a loss on probabilities, such as KD."
            )

    def open(self, given: "GivenData", config: "DistillConfig") -> Data:
        """Return the data of all teachers as one, over the union of their classes."""
        return self._joined(given, config).data

    def _joined(self, given: "GivenData", config: "DistillConfig") -> Joined:
        alone = config.model_copy(
            update={"unlabelled": None}
        )  # what is in no data set of theirs is there once
        datas = [open_transfer_set(given, config), *(open_transfer_set(each, alone) for each in self.data)]
        return joined(datas, [self._called(each, number) for number, each in enumerate(datas)])

    def _called(self, data: Data, number: int) -> Sequence[str]:
        if data.task != "classification":
            raise LimbeckError(
                f"Merged joins classes, and {data.name} is for {data.task}: choose another scheme."
            )
        prefix = self.prefixes[number] if self.prefixes else ""
        try:
            return renamed(data.classes or (), self.names[number] if self.names else None, prefix)
        except LimbeckError as error:
            raise LimbeckError(f"Merged teacher {number + 1}, of {data.name}: {error}") from error

    def arranged(self, job: "Job") -> "Job":
        """Return the run with each teacher's door opening on data of its own."""
        datas = [open_transfer_set(each, job.config) for each in (job.given, *self.data)]
        doors = [replace(door, data=data) for door, data in zip(job.teachers, datas, strict=True)]
        return replace(job, teachers=doors)

    def tutor(self, job: "Job") -> Tutor:
        """Return the teachers as one, each measured on its own data and all on everything."""
        found, keys = every_teacher(job)
        classes = [self._called(door.data, number) for number, door in enumerate(job.teachers)]
        together = Tutor(
            Merged([each.teacher for each in found], classes, job.data.classes, self.unlabelled),
            {role: inputs for each in found for role, inputs in each.inputs.items()},
            any(each.trained_here for each in found),
        )
        job.measure_together("teacher", "teacher", together, keys, len(keys))
        return together

    def finished(self, job: "Job", key: str, course: Course, run: Run, seed: int) -> Model:
        """Measure the student on everything, then on each teacher's part."""
        model = super().finished(job, key, course, run, seed)
        if key == "student" and not job.rehearsal:
            parts = self._joined(job.given, job.config).parts
            for number, part in enumerate(parts, start=1):
                job.measure(
                    f"student-part-{number}", "student", model, None, stage=number, part=part.name, data=part
                )
        return model
