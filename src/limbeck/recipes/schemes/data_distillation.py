"""Targets averaged over several transforms of each unlabelled sample."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from limbeck.recipes.schemes.semi_supervised import SemiSupervisedRecipe
from limbeck.recipes.tutor import Tutor
from limbeck.teachers import Teacher, Transformed

if TYPE_CHECKING:
    from limbeck.recipes.job import Job


class DataDistillationRecipe(SemiSupervisedRecipe):
    """The teacher labels unlabelled samples by the average of its answers to several transforms of each."""

    title: ClassVar[str] = "data distillation"
    paper: ClassVar[str] = "omni-supervised, Radosavovic 2018, arXiv 1712.04440"
    situation: ClassVar[str] = "as semi-supervised, where the teacher's time does not matter"

    teachers: ClassVar[tuple[int, int]] = (1, 1)

    name: Literal["DataDistillation"] = "DataDistillation"  # type: ignore[assignment]
    transforms: list[str] = Field(default_factory=lambda: ["identity", "shift-1"])
    """What is averaged: `identity`, `flip`, `shift-1` (four shifts by a pixel), `scale-0.9`."""

    def tutor(self, job: "Job") -> Tutor | None:
        """Return the teacher, asked about every transform."""
        found = super().tutor(job)
        assert found is not None
        return Tutor(self.answering(found.teacher), found.inputs, found.trained_here)

    def answering(self, teacher: Teacher) -> Teacher:
        """Return the teacher as it is asked about every transform."""
        return Transformed(teacher, self.transforms)
