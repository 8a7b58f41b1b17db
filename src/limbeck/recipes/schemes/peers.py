"""Networks that learn together, in one training."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field
from torch import nn

from limbeck.errors import LimbeckError
from limbeck.models import Model
from limbeck.recipes.course import Course
from limbeck.recipes.schemes.base import SchemeRecipe
from limbeck.recipes.schemes.untaught import plain
from limbeck.schemes import Scheme, Term
from limbeck.train import Stage

if TYPE_CHECKING:
    from limbeck.recipes.job import Job
    from limbeck.recipes.tutor import Tutor

APART = 1000
"""Between the seeds of the first weights of two peers: further than seeds of a run are counted."""


@dataclass(frozen=True)
class Pairs:
    """Gives the terms by which one network learns from another, wired between their layers."""

    job: "Job"
    models: Sequence[Model]
    seed: int

    def __call__(self, learner: int, other: int) -> list[Term]:
        """Return the terms of one ordered pair."""
        one, another = self.models[learner], self.models[other]
        wiring = self.job.wiring(one, another.module, {"teacher": another.inputs}, self.seed)
        return wiring.terms(self.job.config.kd.everything())


def _listed(given: Any) -> Any:
    """Take the spec of a single peer for a list of it, and refuse what is neither that nor a number."""
    known = isinstance(given, int | str | list) and not isinstance(given, bool)
    if not known:
        raise ValueError("is a number of networks like the student, or a list of their specs")
    return [given] if isinstance(given, str) else given


class PeersRecipe(SchemeRecipe):
    """What mutual and collaborative learning share: further networks beside the student."""

    teachers: ClassVar[tuple[int, int]] = (0, 0)
    caches: ClassVar[bool] = False
    usual: ClassVar[Mapping[str, Any]] = {
        "loss": "KD",
        "temperature": 1.0,
        "task_weight": 1.0,
        "kd_weight": 1.0,
    }

    peers: Annotated[int | list[str], BeforeValidator(_listed)] = Field(default=1)
    """Networks beside the student: how many more like it, or a list of their specs."""

    @abstractmethod
    def together(self, networks: Sequence[nn.Module], pairs: Pairs, job: "Job") -> Scheme:
        """Return the scheme in which the networks learn."""

    def train_student(self, job: "Job", tutor: "Tutor | None", seed: int) -> Model:
        """Train all networks at once; the first is the student."""
        plain(self, job.config.kd)
        models = self._models(job, seed)
        roles = ["student", *(f"peer {number}" for number in range(1, len(models)))]
        course = Course(
            [
                Stage(
                    "together",
                    lambda: self.together([m.module for m in models], Pairs(job, models, seed), job),
                )
            ],
            models[0],
            {role: model.inputs for role, model in zip(roles, models, strict=True)},
        )
        job.measure("student", "student", models[0], job.fit("student", course, seed))
        for number, model in enumerate(models[1:], start=1):
            job.measure(f"peer-{number}", "peer", model, None, roles[number], stage=number - 1)
        return models[0]

    def _models(self, job: "Job", seed: int) -> list[Model]:
        student = job.student.open(seed)
        more = self.peers if isinstance(self.peers, list) else [job.student.given] * self.peers
        if not more:
            raise LimbeckError(
                f"{self.name} needs a network beside the student: give scheme.peers at least 1."
            )
        if isinstance(self.peers, int) and isinstance(job.student.given, nn.Module | Model):
            raise LimbeckError(
                f"{self.name}'s networks must start apart, and the student was given with its weights: give a spec or "
                "a function that makes one, or name the peers in scheme.peers."
            )
        doors = [job.candidate(each, f"peer {number}") for number, each in enumerate(more, start=1)]
        models = [student, *(door.open(seed + APART * (n + 1)) for n, door in enumerate(doors))]
        given = [each.weights for each in models if each.weights is not None]
        twice = next((each for each in given if given.count(each) > 1), None)
        if twice is not None:
            raise LimbeckError(
                f"{self.name}'s networks must start apart, and two of them begin with the weights of {twice}: name "
                "peers without weights, or with weights of their own, in scheme.peers."
            )
        return models
