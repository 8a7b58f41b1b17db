"""Who is who in a run: the order of its networks, what each is called, and who taught the student."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from limbeck.report.record import ModelFacts, RunRecord

__all__ = [
    "Tutor",
    "distilled_by",
    "family",
    "has_several_teachers",
    "in_order",
    "network_facts",
    "network_title",
    "of_teachers",
    "ordered",
    "role_title",
    "tutor",
    "whole",
]

_PLACES = ("teacher", "specialist", "all teachers", "assistant", "peer", "alone", "generation", "student")
MOST_ALIKE = 6
"""Of so many networks of one kind each is shown by itself; more are shown as one."""
_TITLES = {"alone": "student alone", "student": "student distilled", "model": "model"}


def ordered(models: Sequence[ModelFacts]) -> list[ModelFacts]:
    """Return the models from the teachers down to the student, each group of them after its members."""
    return sorted(models, key=_place)


def _place(model: ModelFacts) -> tuple[int, int]:
    role = "all teachers" if model.role == "teacher" and model.networks > 1 else model.role
    last = role not in _PLACES or (role == "generation" and model.networks > 1)
    return (len(_PLACES) if last else _PLACES.index(role), model.stage)


def in_order(roles: Collection[str]) -> list[str]:
    """Return roles as `ordered` has them; those that it does not know come last."""
    return sorted(roles, key=lambda role: _PLACES.index(role) if role in _PLACES else len(_PLACES))


def whole(models: Sequence[ModelFacts]) -> list[ModelFacts]:
    """Return the models that know all of the data, in order; those of a part do not compare with them."""
    return [each for each in ordered(models) if each.part == "all"]


def role_title(model: ModelFacts, models: Sequence[ModelFacts]) -> str:
    """Return what a model was in the run: ``student alone``, ``assistant 2``, ``all teachers``.

    Args:
        model: one of them.
        models: all of the run.
    """
    if model.role in _TITLES:
        return _TITLES[model.role]
    if model.networks > 1:
        return f"all {model.role}s"
    if model.role == "generation":  # counted from the one that had no teacher
        return f"generation {model.stage}"
    if model.role == "teacher" and sum(each.role == "teacher" and each.networks == 1 for each in models) == 1:
        return "generalist" if any(each.role == "specialist" for each in models) else "teacher"
    return f"{model.role} {model.stage + 1}"


def network_title(network: str) -> str:
    """Return what a training's network is called, from its name in history, stages and seconds.

    Example:
        >>> network_title("assistant-1"), network_title("student"), network_title("generalist")
        ('assistant 1', 'student distilled', 'generalist')
    """
    return _TITLES.get(network, network.replace("-", " "))


def family(network: str) -> str:
    """Return the role of a training's network.

    Example:
        >>> family("assistant-1"), family("generalist"), family("student")
        ('assistant', 'teacher', 'student')
    """
    return {"generalist": "teacher", "generations": "generation"}.get(network, network.partition("-")[0])


def network_facts(record: RunRecord, network: str) -> ModelFacts | None:
    """Return the model that a training's network became; None where it was not measured.

    Args:
        record: the run.
        network: ``student``, ``generation-1``.
    """
    role, number = family(network), network.rpartition("-")[2]
    found = [each for each in record.models if each.role == role and each.networks == 1]
    if number.isdigit():
        stage = int(number) - (role != "generation")
        return next((each for each in found if each.stage == stage), None)
    return next((each for each in found if each.part == "all"), None)


@dataclass(frozen=True)
class Tutor:
    """Who taught the student, in words."""

    name: str
    """``the teacher``."""
    owner: str
    """``the teacher's``, of outputs."""


def tutor(record: RunRecord) -> Tutor | None:
    """Return whom the student is measured against as its teacher; None where it had none."""
    generations = any(each.role == "generation" and each.networks == 1 for each in record.models)
    born_again = record.scheme is not None and record.scheme.name == "BornAgain"
    if born_again and record.fidelity and (generations or record.protocol.teacher is None):
        return Tutor("the generation before", "those of the generation before")
    if record.protocol.teacher is None:
        return None
    assistants = sum(each.role == "assistant" for each in record.models)
    if assistants:
        name = "the last assistant" if assistants > 1 else "the assistant"
        return Tutor(name, f"{name}'s")
    if has_several_teachers(record):
        return Tutor("the teachers together", "those of the teachers together")
    return Tutor("the teacher", "the teacher's")


def has_several_teachers(record: RunRecord) -> bool:
    """Tell whether size and score of the student are set against those of several teachers together."""
    teacher = record.model("teacher")
    return teacher is not None and teacher.networks > 1


def of_teachers(record: RunRecord) -> str:
    """Return what the student is set against: ``the teacher``, or ``the teachers together``."""
    return "the teachers together" if has_several_teachers(record) else "the teacher"


def distilled_by(record: RunRecord) -> str:
    """Return the name of the scheme where it is not the usual one, a frozen teacher; else nothing."""
    name = record.scheme.name if record.scheme else ""
    return "" if name == "Offline" else name
