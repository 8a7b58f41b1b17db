"""What every scheme's recipe answers; on its own, distillation from one frozen teacher."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from limbeck.errors import LimbeckError
from limbeck.recipes.draws import refuse_cache
from limbeck.recipes.knowledge import Knowledge
from limbeck.schemes import Offline, Scheme, Supervised, Term
from limbeck.schemes.schedule import Schedule
from limbeck.tasks import Task
from limbeck.teachers import Teacher

if TYPE_CHECKING:
    from limbeck.data import Data
    from limbeck.models import Model
    from limbeck.recipes.config import DistillConfig
    from limbeck.recipes.course import Course
    from limbeck.recipes.job import Job
    from limbeck.recipes.setup import GivenData
    from limbeck.recipes.tutor import Tutor
    from limbeck.train import Run

MANY = 10**6
"""As many as one likes."""
ClassName: TypeAlias = Annotated[str, Field(coerce_numbers_to_str=True)]
"""Name of a class, which YAML may take for a number."""


class SchemeRecipe(BaseModel):
    """Who teaches whom in a run: its settings, and how it is put together.

    Everything goes through a :class:`~limbeck.recipes.job.Job`. A rehearsal calls the same methods with a job that
    tries every training on a few samples and trains nothing, so what does not fit is refused before the first step.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    title: ClassVar[str]
    """What the literature calls it."""
    paper: ClassVar[str]
    """Its source, for `limbeck schemes`."""
    situation: ClassVar[str]
    """When one takes it, in half a line."""
    teachers: ClassVar[tuple[int, int]] = (1, 1)
    """Fewest and most teachers that it takes."""
    needs_unlabelled: ClassVar[bool] = False
    """Whether it learns from samples without labels."""
    usual: ClassVar[Mapping[str, Any]] = {}
    """What is taught when nobody names a loss, as settings of `kd`; by the number of classes where empty."""
    usual_alone: ClassVar[bool] = True
    """Whether the student alone is a fair comparison."""
    chooses: ClassVar[bool] = True
    """Whether epochs are chosen by validation, where the plan says so."""
    one_teacher: ClassVar[bool] = True
    """Whether the teacher named is, by itself, the one that taught."""
    keeps_teachers: ClassVar[bool] = True
    """Whether a teacher made of several networks can be put together again from what the run keeps."""
    caches: ClassVar[bool] = True
    """Whether students learn from teachers that no longer change, whose answers can be kept."""
    mixes: ClassVar[bool] = True
    """Whether samples may be mixed: nothing in it needs one class for each."""
    successive: ClassVar[bool] = False
    """Whether teachers follow one another, each with answers of its own."""

    name: str

    def knowledge(self, kd: Knowledge, task: str = "classification", classes: int | None = None) -> Knowledge:
        """Return what is taught: where nobody named a loss, the scheme's usual one, or by the number of classes.

        Args:
            kd: the person's settings.
            task: name of the task.
            classes: how many, where known.
        """
        if kd.loss is None and self.usual:
            told = kd.model_dump(exclude_none=True)
            usual = dict(self.usual)
            if task == "regression":  # what is usual among classes is not among values
                usual = {key: value for key, value in usual.items() if key.endswith("_weight")}
            if told.keys() & {"task_weight", "kd_weight"}:
                usual = {key: value for key, value in usual.items() if not key.endswith("_weight")}
            kd = Knowledge.model_validate({**usual, **told})
        return kd.for_task(task, classes)

    def refuse(self, config: "DistillConfig") -> None:
        """Refuse settings that do not suit the scheme, before anything is opened.

        Args:
            config: of the run.

        Raises:
            LimbeckError: too few or too many teachers.
        """
        least, most = self.teachers
        given = [each for each in (config.teacher, *config.teachers) if each is not None]
        if len(given) < least:
            number = {1: "a teacher", 2: "two teachers or more"}[least]
            raise LimbeckError(
                f"{self.name} needs {number}: give --teacher{' twice' if least > 1 else ''}, or choose a scheme "
                "without one (see `limbeck schemes`)."
            )
        if len(given) > most:
            takes = {0: "no teacher", 1: "one teacher"}.get(most, f"at most {most} teachers")
            raise LimbeckError(
                f"{self.name} takes {takes}, but {len(given)} {'were' if len(given) > 1 else 'was'} given: "
                + ("give --teacher once, or choose SeveralTeachers." if most == 1 else "leave --teacher out.")
            )
        refuse_cache(self, config)

    def refuse_data(self, data: "Data") -> None:
        """Refuse data that the scheme cannot learn from.

        Args:
            data: opened.

        Raises:
            LimbeckError: no samples without labels where they are needed.
        """
        if self.needs_unlabelled and not len(data.unlabelled):
            raise LimbeckError(
                f"{self.name} learns from samples without labels: name them with --unlabelled folder:PATH, or say how "
                "many of the training samples keep their labels, as in --labels 0.1."
            )

    def open(self, given: "GivenData", config: "DistillConfig") -> "Data":
        """Return the data, opened.

        Args:
            given: as the person gave it.
            config: of the run.
        """
        from limbeck.recipes.setup import open_transfer_set

        return open_transfer_set(given, config)

    def augmentation(self) -> str | None:
        """Return the augmentation of the transfer set, with a teacher and without; the run's own where ``None``."""
        return None

    def reunites(self, config: "DistillConfig") -> bool:
        """Return whether the teacher is made of several networks, which can be put together again.

        Args:
            config: of the run.
        """
        return self.keeps_teachers and self.taught_by(config) == "teacher" and bool(config.teachers)

    def teacher_spec(self, config: "DistillConfig") -> tuple[str | None, str | None, bool, int | None]:
        """Return how the network that taught was named: its spec, weights, whether pretrained, and size.

        Args:
            config: of the run.

        Raises:
            LimbeckError: it was put together out of several.
        """
        if not self.one_teacher or config.teachers:
            raise LimbeckError(
                f"{self.name}'s teacher is made of several networks, which are not put together again here."
            )
        return config.teacher, config.teacher_weights, config.teacher_pretrained, config.teacher_size

    def taught_by(self, config: "DistillConfig") -> str:
        """Return as what the run keeps the network that taught the student, where it keeps that one.

        Args:
            config: of the run.
        """
        return "teacher"

    def answering(self, teacher: Teacher) -> Teacher:
        """Return a network as it taught: as it is, unless the scheme asks it in a way of its own.

        Args:
            teacher: frozen.
        """
        return teacher

    def taught(self, job: "Job", tutor: "Tutor | None", seed: int) -> "Tutor | None":
        """Return who taught the student of one seed, against whom it is measured.

        Args:
            job: the run, all trained.
            tutor: who teaches every seed.
            seed: of the student.
        """
        return tutor

    def arranged(self, job: "Job") -> "Job":
        """Return the run with its networks in their places: as given, unless the scheme turns them round.

        Args:
            job: the run, opened.
        """
        return job

    def tutor(self, job: "Job") -> "Tutor | None":
        """Return who teaches, trained first where it came without weights; ``None`` where nobody does.

        Several teachers, where the scheme takes them, teach by the mean of their probabilities.

        Args:
            job: the run.
        """
        from limbeck.recipes.together import ensemble

        if len(job.teachers) > 1:
            return ensemble(job)
        return job.teacher(job.teachers[0]) if job.teachers else None

    def train_alone(self, job: "Job", seed: int) -> None:
        """Train and measure the same student without a teacher, with the same budget.

        Args:
            job: the run.
            seed: of the student.
        """
        from limbeck.recipes.course import Course
        from limbeck.train import Stage

        model = job.student.open(seed)
        course = Course(
            [Stage("alone", lambda: Supervised(model.module, job.task))],
            model,
            {"student": model.inputs},
            feed=lambda: job.feed({"student": model.inputs}, seed, self.augmentation(), labelled=True),
        )
        self.finished(job, "alone", course, job.fit("alone", course, seed), seed)

    def train_student(self, job: "Job", tutor: "Tutor | None", seed: int) -> "Model":
        """Train and measure one student; return it as it is shipped.

        Args:
            job: the run.
            tutor: who teaches.
            seed: of the student.
        """
        course = self.course(job, job.student.open(seed), tutor, seed)
        return self.finished(job, "student", course, job.fit("student", course, seed), seed)

    def finished(self, job: "Job", key: str, course: "Course", run: "Run", seed: int) -> "Model":
        """Measure a student that has been trained; return it as it is shipped.

        Args:
            job: the run.
            key: ``"alone"`` or ``"student"``.
            course: what it went through.
            run: how that went.
            seed: of the student.
        """
        job.measure(key, key, course.model, run, course.role)
        return course.model

    def course(self, job: "Job", model: "Model", tutor: "Tutor | None", seed: int) -> "Course":
        """Return what the student goes through.

        Args:
            job: the run.
            model: the student with its first weights.
            tutor: who teaches.
            seed: of the student.
        """
        from limbeck.recipes.course import Course

        assert tutor is not None
        lessons = job.lessons(model, tutor, seed, self.scheme)
        stages = lessons.stages()
        return Course(
            stages,
            lessons.deployed(model),
            {"student": model.inputs, **tutor.inputs},
            teacher=lessons.teacher,
            teacher_has_weights=not tutor.trained_here,
        )

    def scheme(
        self,
        student: nn.Module,
        teacher: Teacher,
        terms: Sequence[Term],
        task: Task,
        task_weight: float | Schedule | None,
    ) -> Scheme:
        """Return the scheme of the student's main training.

        Args:
            student: the network.
            teacher: who teaches.
            terms: what is taught.
            task: what the labels mean.
            task_weight: weight of the labels.
        """
        return Offline(student, teacher, terms, task, task_weight)
