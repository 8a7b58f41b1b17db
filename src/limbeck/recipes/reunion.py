"""The teacher of a finished run that is made of several networks, put together again."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from limbeck.data import Data
from limbeck.errors import LimbeckError
from limbeck.evaluate.cost import cost
from limbeck.models import Model
from limbeck.models.card import load_model
from limbeck.recipes.config import DistillConfig
from limbeck.recipes.course import Course, named
from limbeck.recipes.finished import OBJECT, Finished
from limbeck.recipes.job import Job
from limbeck.recipes.measuring import Composite, Measured, device_of, facts_together
from limbeck.recipes.opening import opened
from limbeck.recipes.setup import Reader
from limbeck.recipes.tutor import Tutor
from limbeck.train import Run


@dataclass
class Reunion(Job):
    """A job whose trainings are over: what the run trained is read from its folder, and nothing is measured.

    Args:
        networks: every network that was trained or opened, and what it reads, by the key of its measurements.
        members: keys of those that the teacher is made of.
    """

    networks: dict[str, Measured] = field(default_factory=dict)
    members: Sequence[str] = ()

    @classmethod
    def of(cls, job: Job, finished: Finished) -> "Reunion":
        """Return the reunion of what ``job`` opened and ``finished`` kept."""
        shared = ("config", "data", "task", "teachers", "student", "plugins", "given")
        given = {each.name: getattr(job, each.name) for each in fields(job) if each.name in shared}
        return cls(**given, folder=finished.folder)

    def fit(self, key: str, course: Course, seed: int | None = None) -> Run:
        """Fill the network with the weights that the run kept.

        Raises:
            LimbeckError: there are none, or they are those of other classes.
        """
        kept, model = load_model(self.folder, key, self.plugins), course.model
        if kept.classes != model.classes:
            raise LimbeckError(
                f"{key} of {self.folder} knows the classes {', '.join(kept.classes or ())}, and would be asked about "
                f"{', '.join(model.classes or ())}: the data, or what the others answer, is not what it was. The run's "
                "own report has what was measured then."
            )
        model.module.load_state_dict(kept.module.state_dict())
        self.trained[named(key, seed)] = model
        return Run(model.module, [], {}, {}, None, 0, 0, 0.0)

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
        """Remember the network."""
        self.networks[key] = Measured(role, model, stage=stage, part=part, reads=reads or role)

    def measure_together(
        self, key: str, role: str, tutor: Tutor, members: Sequence[str | Measured], stage: int
    ) -> None:
        """Remember what the teacher is made of."""
        self.members = [each for each in members if isinstance(each, str)]

    def keep(self, key: str, model: Model) -> None:
        """Write nothing."""

    def facts(self, tutor: Tutor, data: Data) -> dict[str, Any]:
        """Return name and size of the teacher, without its scores.

        Args:
            tutor: put together.
            data: whose samples it is measured on.
        """
        made_of = [self.networks[each] for each in self.members]
        entries = []
        for each in made_of:
            module, reader = each.model.module, Reader(data, {each.reads: each.model.inputs})
            example = reader.few(1).to(device_of(module)).inputs_for(each.reads)
            entries.append({"name": each.model.name, **cost(module, example).to_dict()})
        composite = Composite("teacher", type(tutor.teacher).__name__, made_of, [])
        return {key: value for key, value in facts_together(composite, entries).items() if key != "scores"}


def reunited(finished: Finished) -> tuple[Tutor, Reunion]:
    """Return the teacher of a finished run, put together by the recipe that made it.

    Args:
        finished: a run whose recipe says that its teacher is several networks.

    Returns:
        The teacher, and what it was put together from.

    Raises:
        LimbeckError: a network, or data that is needed for it, cannot be opened again.
    """
    config = finished.config
    assert isinstance(config, DistillConfig)
    specs = [each for each in (config.teacher, *config.teachers) if each is not None]
    if any(each.startswith(OBJECT) for each in (*specs, config.student, config.data)):
        raise LimbeckError(
            f"{finished.folder} was given networks or data in Python, which cannot be opened again."
        )
    job = opened(config, specs, config.student, config.data, None, [str(each) for each in finished.plugins])
    reunion = Reunion.of(job, finished)
    tutor = config.recipe().tutor(reunion)
    assert tutor is not None
    return tutor, reunion
