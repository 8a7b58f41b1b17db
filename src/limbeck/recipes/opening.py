"""The data and the models of a distillation, opened and checked before anything is trained."""

from collections.abc import Sequence
from dataclasses import replace

from limbeck.errors import LimbeckError
from limbeck.recipes.candidates import Candidate, Given, check_outputs, task_for
from limbeck.recipes.config import DistillConfig
from limbeck.recipes.job import Job
from limbeck.recipes.setup import GivenData, Reader
from limbeck.tasks import Task
from limbeck.teachers import Teacher


def opened(
    config: DistillConfig,
    teachers: Sequence[Given | Teacher],
    student: Given,
    given_data: GivenData,
    task: Task | None,
    plugins: Sequence[str],
) -> Job:
    """Open data and models, each tried on two samples.

    Args:
        config: of the run.
        teachers: as they were given, in their order.
        student: as it was given.
        given_data: as it was given.
        task: what the labels mean; by the data unless told.
        plugins: files of the person's own factories.

    Raises:
        LimbeckError: all that is wrong with the models, together; or what is wrong with the data.
    """
    data = config.recipe().open(given_data, config)
    config.recipe().refuse_data(data)
    if config.ratio is not None and not len(data.unlabelled):
        raise LimbeckError(
            f"A ratio of {config.ratio:g} mixes in samples without labels, and there are none: name them with "
            "--unlabelled or --labels, or leave --ratio out."
        )
    task = task or task_for(data)
    kd = config.recipe().knowledge(config.kd, task.name, len(data.classes or ()) or None)
    config = config.model_copy(update={"kd": kd})
    doors = [Candidate(each, "teacher", data, task, plugins=plugins) for each in teachers]
    if doors:
        doors[0] = replace(
            doors[0],
            weights=config.teacher_weights,
            pretrained=config.teacher_pretrained,
            size=config.teacher_size,
        )
    own = (config.student_weights, config.student_pretrained, config.student_size)
    job = Job(config, data, task, doors, Candidate(student, "student", data, task, *own, plugins), plugins)
    job.given, job.fingerprint = given_data, data.fingerprint()
    job = config.recipe().arranged(job)
    wrong = []
    for candidate in (*job.teachers, job.student):
        try:
            _check(job, candidate)
        except LimbeckError as error:
            wrong.append(str(error))
    if wrong:
        raise LimbeckError("\n".join(wrong))
    return job


def _check(job: Job, candidate: Candidate) -> None:
    """Open a model once, run it on two samples, and see that its augmentations exist."""
    if isinstance(candidate.given, Teacher):
        return
    model = candidate.open(job.config.train.seed)
    reader = Reader(candidate.data, {candidate.role: model.inputs})
    for augment in (job.config.augment, job.config.teacher_augment):
        reader.feed(augment, 0)
    classes = len(candidate.data.classes) if candidate.data.classes else None
    plan = job.config.plan_of(candidate.role, model.weights)
    check_outputs(model, reader.few().inputs, job.task, classes, candidate.role, plan)
