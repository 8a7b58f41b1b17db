"""Several teachers made ready, to answer as one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from limbeck.recipes.tutor import Tutor
from limbeck.teachers import Ensemble
from limbeck.teachers.ensemble import Combine

if TYPE_CHECKING:
    from limbeck.recipes.job import Job


def every_teacher(job: "Job") -> tuple[list[Tutor], list[str]]:
    """Return all teachers of a run, each made ready and measured by itself, and the keys of their measurements.

    Each reads the batch's inputs of a role of its own, ``"teacher 1"`` and so on, in its own size.

    Args:
        job: the run.
    """
    keys = [f"teacher-{number}" for number in range(1, len(job.teachers) + 1)]
    doors = zip(job.teachers, keys, strict=True)
    return [job.teacher(door, key, key.replace("-", " "), n) for n, (door, key) in enumerate(doors)], keys


def ensemble(job: "Job", combine: Combine = "probabilities", weights: Sequence[float] | None = None) -> Tutor:
    """Return all teachers of a run as one, measured together too.

    Args:
        job: the run.
        combine: what is averaged.
        weights: of the teachers, in their order; equal unless told.
    """
    tutors, keys = every_teacher(job)
    together = Tutor(
        Ensemble([each.teacher for each in tutors], combine, weights),
        {role: inputs for each in tutors for role, inputs in each.inputs.items()},
        any(each.trained_here for each in tutors),
    )
    job.measure_together("teacher", "teacher", together, keys, len(keys))
    return together
