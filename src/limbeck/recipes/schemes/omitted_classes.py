"""A transfer set without some of the classes, and the output biases corrected for them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from limbeck.data.classes import omitting
from limbeck.errors import LimbeckError
from limbeck.evaluate import BiasShift, bias_shift
from limbeck.evaluate.quality import predictor
from limbeck.models import Model
from limbeck.models.shifted import shifted
from limbeck.recipes.course import Course
from limbeck.recipes.measuring import device_of
from limbeck.recipes.schemes.base import MANY, ClassName, SchemeRecipe
from limbeck.train import Run

if TYPE_CHECKING:
    from limbeck.recipes.config import DistillConfig
    from limbeck.recipes.job import Job


class OmittedClassesRecipe(SchemeRecipe):
    """The teacher knows classes of which the transfer set has no sample; the student's biases are raised for them."""

    title: ClassVar[str] = "omitted classes"
    paper: ClassVar[str] = "Hinton 2015, section 3, arXiv 1503.02531"
    situation: ClassVar[str] = "no transfer data for some of the classes"
    teachers: ClassVar[tuple[int, int]] = (1, MANY)

    name: Literal["OmittedClasses"] = "OmittedClasses"
    classes: list[ClassName] = Field(default_factory=list)
    """Classes to leave out of the transfer set."""
    correct: bool = True
    """Add to the logits of these classes what scores best on validation."""

    def refuse(self, config: "DistillConfig") -> None:
        """Refuse to omit nothing."""
        super().refuse(config)
        if not self.classes:
            raise LimbeckError(
                "OmittedClasses needs to know which classes the transfer set lacks: name them, as in "
                "--set 'scheme.classes=[\"3\"]'."
            )

    def arranged(self, job: "Job") -> "Job":
        """Return the run with a transfer set that lacks the classes; a teacher trained here sees them all."""
        data = omitting(job.data, self.classes)
        return replace(job, data=data, student=replace(job.student, data=data))

    def finished(self, job: "Job", key: str, course: Course, run: Run, seed: int) -> Model:
        """Return the network with its biases corrected, measured so."""
        model = course.model
        if self.correct and not job.rehearsal:
            found = self._shift(job, model)
            model = shifted(model, found.shift)
            job.extra.setdefault("bias", []).append(self._facts(job, key, seed, found))
            run = replace(
                run,
                best_state=_wrapped(run.best_state, found.shift),
                last_state=_wrapped(run.last_state, found.shift),
            )
        job.measure(key, key, model, run, course.role)
        return model

    def _shift(self, job: "Job", model: Model) -> BiasShift:
        reader, device = job.reader({"student": model.inputs}), device_of(model.module)
        predict = predictor(model.module, job.task)
        logits, targets = [], []
        with torch.no_grad():
            for batch in reader.whole(job.data.validation):
                logits.append(predict(batch.to(device))["logits"].float().cpu())
                targets.append(batch.targets)
        classes = job.data.classes
        assert classes is not None
        numbers = [classes.index(each) for each in self.classes]
        return bias_shift(torch.cat(logits), torch.cat(targets), numbers)

    def _facts(self, job: "Job", key: str, seed: int, found: BiasShift) -> dict[str, Any]:
        names: Sequence[str] = job.data.classes or ()
        at = [names.index(each) for each in self.classes]
        return {
            "network": key,
            "seed": seed,
            "classes": list(self.classes),
            "shift": float(found.shift[at[0]]),
            "before": found.before,
            "after": found.after,
            "recall_before": [float(found.recall_before[each]) for each in at],
            "recall_after": [float(found.recall_after[each]) for each in at],
        }


def _wrapped(state: dict[str, Tensor], shift: Tensor) -> dict[str, Tensor]:
    return {**{f"network.{key}": value for key, value in state.items()}, "shift": shift}
