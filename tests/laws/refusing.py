"""What every loss refuses, in a sentence that names the thing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from limbeck.errors import LimbeckError
from limbeck.types import Context

if TYPE_CHECKING:
    from cases.case import Case, Shape

Law = Callable[["Case"], None]


def refuses_other_samples(case: Case) -> None:
    student, teacher = case.pair()
    fewer = teacher[:-1]
    with pytest.raises(LimbeckError, match=case.made.__name__) as refused:
        case.loss(torch.float64)(*case.inputs(student, fewer), case.context(teacher))
    names_both_shapes(str(refused.value), case.student_layers, _cut(case.teacher_layers, 0))


def refuses_shapes_that_differ(case: Case) -> None:
    """Also from a loss with learnable widths: its layers were built for those and no others."""
    if not (case.made.same_shape or case.fixed):
        return
    axis = 1 if case.on_maps else -1
    wrong = replace(case, teacher_shape=_cut(case.teacher_layers, axis))
    with pytest.raises(LimbeckError, match=case.made.__name__) as refused:
        wrong(*wrong.pair())
    message = str(refused.value)
    if case.made.same_shape:
        names_both_shapes(message, case.student_layers, wrong.teacher_layers)
    else:
        assert str(wrong.teacher_layers[0][axis]) in message
        assert str(case.teacher_layers[0][axis]) in message


def refuses_what_is_no_map(case: Case) -> None:
    if case.on_maps and case.made.place in {"last map", "middle map", "every map"}:
        flat = case.reshaped(lambda shape: (*shape[:2],))
        with pytest.raises(LimbeckError, match=rf"{case.made.__name__}.*N, C, H, W"):
            flat(*flat.pair())


def refuses_another_number_of_layers(case: Case) -> None:
    if case.made.several:
        student, teacher = case.pair()
        ours, theirs = case.inputs(student, teacher)
        for wrong in ((), ours[:-1]):
            with pytest.raises(LimbeckError, match=rf"{case.made.__name__}.*layer"):
                case.loss(torch.float64)(wrong, theirs, case.context(teacher))


def refuses_to_run_without_what_it_needs(case: Case) -> None:
    student, teacher = case.pair()
    loss, arguments = case.loss(torch.float64), case.inputs(student, teacher)
    full = case.context(teacher) or Context()
    for name in case.made.needs:
        with pytest.raises(LimbeckError, match=rf"{case.made.__name__}.*{name}"):
            loss(*arguments, replace(full, **{name: None}))
    if case.made.needs:
        with pytest.raises(LimbeckError, match=rf"{case.made.__name__}.*({'|'.join(case.made.needs)})"):
            loss(*arguments)


def refuses_a_context_that_does_not_fit(case: Case) -> None:
    """Labels and sample numbers of another batch, or beyond what there is."""
    student, teacher = case.pair()
    loss, full = case.loss(torch.float64), case.context(teacher) or Context()
    for name in case.made.needs & {"targets", "index"}:
        right = getattr(full, name)
        wrong = {"of another batch": right[:-1], "a number": 1}
        if not right.is_floating_point():
            wrong |= {
                "no whole numbers": right + 0.5,
                "beyond": right + 10**6,
                "below": -1 - right.clamp(min=0),
            }
        for what, value in wrong.items():
            context = replace(full, **{name: value})
            with pytest.raises(LimbeckError, match=case.made.__name__):
                pytest.fail(f"takes {name} that are {what}: {loss(*case.inputs(student, teacher), context)}")


def needs_nothing_that_it_does_not_name(case: Case) -> None:
    student, teacher = case.pair()
    loss, arguments = case.loss(torch.float64), case.inputs(student, teacher)
    silent = dict.fromkeys({"targets", "index", "progress"} - case.made.needs)
    value = loss(*arguments, replace(case.context(teacher) or Context(), **silent))
    assert torch.isfinite(value)
    if not case.made.needs:
        assert torch.isfinite(loss(*arguments))


def names_both_shapes(message: str, ours: tuple[Shape, ...], theirs: tuple[Shape, ...]) -> None:
    assert any(str(shape) in message for shape in ours), message
    assert any(str(shape) in message for shape in theirs), message
    assert not re.search(r"\n", message)


def _cut(shapes: tuple[Shape, ...], axis: int) -> tuple[Shape, ...]:
    """Return the shapes, one smaller along an axis."""
    axes = [axis % len(shape) for shape in shapes]
    return tuple(
        tuple(size - (place == cut) for place, size in enumerate(shape))
        for shape, cut in zip(shapes, axes, strict=True)
    )


LAWS: dict[str, Law] = {
    law.__name__: law
    for law in (
        refuses_other_samples,
        refuses_shapes_that_differ,
        refuses_what_is_no_map,
        refuses_another_number_of_layers,
        refuses_to_run_without_what_it_needs,
        refuses_a_context_that_does_not_fit,
        needs_nothing_that_it_does_not_name,
    )
}
