"""What a student taught by SimKD ships: its teacher's classifier instead of its own."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from limbeck.adapters import ChannelsFirst, TokensToMap
from limbeck.errors import LimbeckError
from limbeck.losses import SimKD
from limbeck.models.borrowed import BorrowedClassifier, Borrowing, averages
from limbeck.recipes.wiring import Wiring
from limbeck.schemes import Term
from limbeck.taps import find_layer, tapped


def borrow(wiring: Wiring, term: Term) -> BorrowedClassifier:
    """Return the student that answers through its teacher's classifier.

    Args:
        wiring: the networks.
        term: of SimKD, between their last maps.

    Raises:
        LimbeckError: a teacher whose classifier does not read the mean of that map; a student without a classifier.
    """
    loss, teacher = term.loss, wiring.teacher
    assert isinstance(loss, SimKD)
    assert teacher is not None
    embedding = wiring.matches.embedding
    own, lent = wiring.matches.classifiers
    classifier = None if lent is None else find_layer(teacher, lent)
    feature, vector = _seen(wiring, term, embedding.teacher)
    if own is None or not isinstance(classifier, nn.Linear) or not averages(feature, vector):
        raise LimbeckError(
            f"SimKD reuses a teacher's classifier on the mean of its last map, but {type(teacher).__name__} does "
            f"something else between {term.teacher!r} and {embedding.teacher!r}: use another loss, or another teacher."
        )
    borrowing = Borrowing(
        layer=str(term.student),
        cut=own,
        student_channels=loss.student_channels,
        teacher_channels=loss.teacher_channels,
        classes=classifier.out_features,
        bias=classifier.bias is not None,
        factor=loss.factor,
        rectified=loss.rectified,
        **_layout(term.adapter),
    )
    copied = copy.deepcopy(classifier).requires_grad_(False)
    return BorrowedClassifier(wiring.student, borrowing, loss.projector, copied)


def _seen(wiring: Wiring, term: Term, embedding: str) -> tuple[Tensor, Tensor]:
    """Return the teacher's map and embedding of the example."""
    teacher = wiring.teacher
    assert teacher is not None
    at = {"map": str(term.teacher), "embedding": embedding}
    with torch.no_grad(), tapped(teacher, at) as taps:
        teacher(wiring.example.inputs_for("teacher"))
    feature = taps["map"] if term.teacher_adapter is None else term.teacher_adapter(taps["map"])
    return feature, taps["embedding"]


def _layout(form: nn.Module | None) -> dict[str, Any]:
    if form is None:
        return {}
    if isinstance(form, TokensToMap) and form.size is None:
        return {"layout": "tokens", "prefix": form.prefix}
    if isinstance(form, ChannelsFirst):
        return {"layout": "channels last"}
    raise LimbeckError(
        f"SimKD cannot ship a student whose last map needs {type(form).__name__}: use another loss."
    )
