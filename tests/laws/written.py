"""What every loss says of itself: docstring, paper, settings, and the settings it refuses."""

from __future__ import annotations

import inspect
import math
import re
import typing
from collections.abc import Callable, Sequence
from types import NoneType
from typing import TYPE_CHECKING, Any

import pytest

from limbeck.errors import LimbeckError
from limbeck.losses.base import Place
from limbeck.types import Context

if TYPE_CHECKING:
    from cases.case import Case

Law = Callable[["Case"], None]
HEADINGS = [
    "Definition:",
    "Differs from the paper:",
    "When it helps:",
    "Args:",
    "Shape:",
    "Raises:",
    "Example:",
]
WIDTHS = {"student_channels", "teacher_channels", "samples"}
NO_NUMBER = (math.nan, math.inf, -math.inf, "4", None, True, [1.0])


def tells_what_it_does(case: Case) -> None:
    text = inspect.cleandoc(vars(case.made)["__doc__"] or "")
    found = [line for line in text.splitlines() if line in HEADINGS]
    wanted = [each for each in HEADINGS if each != "Args:" or arguments(case)]
    assert found == wanted
    assert ">>>" in text.partition("\nExample:")[2]
    for name in arguments(case):
        assert re.search(rf"^    {name}: ", text, flags=re.MULTILINE), f"{name} is not described"


def names_its_paper(case: Case) -> None:
    assert re.search(r"\b(19|20)\d\d\b", case.made.paper)
    number = re.search(r"arXiv (\d{4}\.\d{4,5})", case.made.paper)
    if number:
        assert number[1] in case.made.__doc__


def says_where_it_listens(case: Case) -> None:
    assert case.made.kind in {"response", "feature", "relation"}
    assert case.made.place in typing.get_args(Place)
    assert case.made.needs <= set(Context.__dataclass_fields__)
    assert case.made.smallest_batch >= 1
    hard, soft = case.made.usual_weights
    assert 0 <= hard < math.inf
    assert 0 < soft < math.inf


def shows_its_settings(case: Case) -> None:
    """They enter the fingerprint by which a resumed run knows its recipe."""
    shown = repr(case.loss())
    for name in set(arguments(case)) - WIDTHS:
        assert re.search(rf"\b{name}=", shown), f"{name} is not in {shown}"


def refuses_settings_out_of_range(case: Case) -> None:
    for name, annotation in arguments(case).items():
        for bad in [*refused(case, name, annotation), *case.beyond.get(name, ())]:
            with pytest.raises(LimbeckError, match=rf"\b{name}\b") as answer:
                pytest.fail(f"takes {name}={bad!r}: {case.loss(**{name: bad})}")
            assert "\n" not in str(answer.value)
    for names, value in ((case.zero, 0), (case.negative, -1)):
        for name in names:
            case.loss(**{name: [value] if is_a_list(arguments(case)[name]) else value})


def arguments(case: Case) -> dict[str, Any]:
    """Return the constructor's arguments and their types."""
    hints = typing.get_type_hints(case.made.__init__)
    return {name: hints[name] for name in inspect.signature(case.made).parameters}


def is_a_list(annotation: Any) -> bool:
    """Return whether a type is a sequence of numbers."""
    return typing.get_origin(annotation) in {Sequence, tuple} and set(typing.get_args(annotation)) <= {
        int,
        float,
        ...,
    }


def refused(case: Case, name: str, annotation: Any) -> list[Any]:
    """Return values of a setting that must be refused, by its type."""
    inner = set(typing.get_args(annotation)) or {annotation}
    if annotation is bool:
        return ["false", 1, 0, None]
    if typing.get_origin(annotation) is typing.Literal:
        return ["nonsense", None, 0.5]
    if is_a_list(annotation):
        return [[], ["4"], [math.nan], [math.inf], [True], [None], 4.0, "4"] + (
            [[-1]] if name not in case.negative else []
        )
    if inner <= {int, float, NoneType}:
        bad = [each for each in NO_NUMBER if each is not None or NoneType not in inner]
        bad += [-1] if name not in case.negative else []
        bad += [0] if name not in case.zero else []
        return bad + ([1.5] if float not in inner else [])
    return []


LAWS: dict[str, Law] = {
    law.__name__: law
    for law in (
        tells_what_it_does,
        names_its_paper,
        says_where_it_listens,
        shows_its_settings,
        refuses_settings_out_of_range,
    )
}
