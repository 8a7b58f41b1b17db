"""What schemes share in wiring their networks: terms from what a person gives, layers to tap, refusals."""

from collections.abc import Iterable, Sequence
from typing import Any

from torch import nn

from limbeck.errors import LimbeckError
from limbeck.losses import DistillationLoss
from limbeck.schemes.term import Names, Term, names_of
from limbeck.tasks import Task
from limbeck.teachers import Teacher


def as_terms(
    scheme: str, given: Sequence[Term | DistillationLoss], task: Task, taken: Sequence[str] = ("task",)
) -> list[Term]:
    """Return terms, where a bare loss stands for a term on the task's first output, of weight 1.

    Args:
        scheme: name of the scheme, for the messages.
        given: terms and bare losses, at least one.
        task: names the outputs.
        taken: names of the scheme's other parts of the loss, which no term may have.

    Raises:
        LimbeckError: not a list; empty; something that is neither; parts of the loss that share a name.

    Example:
        >>> from limbeck.losses import KD
        >>> from limbeck.tasks import Classification
        >>> [(term.name, term.student) for term in as_terms("Offline", [KD()], Classification())]
        [('KD', 'logits')]
    """
    if isinstance(given, Term | DistillationLoss):
        raise LimbeckError(f"{scheme} takes a list of terms: put {type(given).__name__}(…) into brackets.")
    terms = [each if isinstance(each, Term) else _plain_term(scheme, each, task) for each in given]
    if not terms:
        raise LimbeckError(
            f"{scheme} needs at least one term: [Term(losses.KD(temperature=4))] is a usual start."
        )
    names = [term.name for term in terms]
    twice = sorted({name for name in names if names.count(name) > 1 or name in taken})
    if twice:
        raise LimbeckError(f"Two parts of the loss are called {twice[0]!r}: give a term its own name=.")
    return terms


def layers_to_tap(task: Task, groups: Iterable[Names]) -> tuple[str, ...]:
    """Return the names that are layers rather than outputs of the task, each once.

    Args:
        task: names the outputs.
        groups: what terms read of one network: ``term.student`` or ``term.teacher`` of each.

    Example:
        >>> from limbeck.tasks import Classification
        >>> layers_to_tap(Classification(), ["logits", ("layer1", "layer2"), "layer1"])
        ('layer1', 'layer2')
    """
    names = [name for group in groups for name in names_of(group)]
    return tuple(dict.fromkeys(name for name in names if name not in task.outputs))


def smallest_batch(terms: Iterable[Any]) -> int:
    """Return the fewest samples that every term accepts.

    Args:
        terms: as a scheme keeps them, a ``ModuleList`` say.

    Example:
        >>> from limbeck.losses import KD, RKDAngle
        >>> smallest_batch([Term(KD()), Term(RKDAngle())])
        3
    """
    return max((getattr(term.loss, "smallest_batch", 1) for term in terms), default=1)


def refuse_module_as_teacher(scheme: str, teacher: object) -> None:
    """Refuse a bare network where a teacher belongs: registered in the scheme, it would be trained.

    Args:
        scheme: name of the scheme, for the message.
        teacher: what was given.

    Raises:
        LimbeckError: a module.
    """
    if isinstance(teacher, nn.Module):
        raise LimbeckError(f"Give {scheme} a teacher, not a bare module: limbeck.Frozen(model).")


def refuse_shared_weights(student: nn.Module, teacher: Teacher) -> None:
    """Refuse a student made of its teacher's parameters: frozen, they take no gradient, so it would not learn.

    Args:
        student: the network to train.
        teacher: looked into where it says which network it runs, by ``model``.

    Raises:
        LimbeckError: a parameter of both.
    """
    known = getattr(teacher, "model", None)
    if isinstance(known, nn.Module) and share_weights(student, known):
        raise LimbeckError(
            "Student and teacher share weights: give the teacher a copy, Frozen(copy.deepcopy(model))."
        )


def share_weights(one: nn.Module, other: nn.Module) -> bool:
    """Return whether two networks have a parameter in common.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> share_weights(layer, nn.Sequential(layer)), share_weights(layer, nn.Linear(2, 2))
        (True, False)
    """
    known = {id(each) for each in other.parameters()}
    return any(id(each) in known for each in one.parameters())


def known_again(teacher: Teacher) -> str:
    """Return by what a resumed run knows its teacher again: its fingerprint, or its class where it has none.

    Example:
        >>> from limbeck.teachers import Predictor
        >>> known_again(Predictor(lambda rows: rows))
        'Predictor'
    """
    fingerprint = getattr(teacher, "fingerprint", None)
    return str(fingerprint()) if fingerprint else type(teacher).__name__


def _plain_term(scheme: str, loss: object, task: Task) -> Term:
    if not isinstance(loss, DistillationLoss):
        raise LimbeckError(
            f"{scheme} takes terms, such as Term(losses.KD(temperature=4), weight=0.9), not {loss!r}."
        )
    return Term(loss, student=task.outputs[0], teacher=task.outputs[0])
