"""Packed numbers against plain Python's."""

import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.cache.bits import bytes_of, from_bytes, packed, unpacked
from limbeck.cache.scales import MOST_SPAN, MOST_STEP, span_codes, spans_of, step_codes, steps_of

FIELDS = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 20)), min_size=1, max_size=4)


def naive(rows: list[list[list[int]]], widths: list[int]) -> list[list[int]]:
    """Return the bytes of numbers by way of text."""
    found = []
    for row in rows:
        text = "".join(
            f"{each:0{width}b}" for field, width in zip(row, widths, strict=True) for each in field
        )
        text += "0" * (-len(text) % 8)
        found.append([int(text[at : at + 8], 2) for at in range(0, len(text), 8)])
    return found


@given(fields=FIELDS, rows=st.integers(0, 4), data=st.data())
@settings(deadline=None, max_examples=60)
def test_numbers_are_packed_as_plain_python_packs_them(fields, rows, data):
    widths = [width for _, width in fields]
    numbers = [
        [data.draw(st.lists(st.integers(0, 2**w - 1), min_size=n, max_size=n)) for n, w in fields]
        for _ in range(rows)
    ]
    tensors = [
        torch.tensor([row[at] for row in numbers], dtype=torch.int64).reshape(rows, count)
        for at, (count, _) in enumerate(fields)
    ]
    written = packed(list(zip(tensors, widths, strict=True)))
    assert written.tolist() == naive(numbers, widths)
    for read, given_ in zip(unpacked(written, fields), tensors, strict=True):
        assert torch.equal(read, given_)


@pytest.mark.parametrize("order", ["little", "big"])
def test_bytes_are_lowest_first(monkeypatch, order):
    monkeypatch.setattr(
        sys, "byteorder", order
    )  # the tensor's own bytes stay as they are: only turning is seen
    values = torch.tensor([[1.0, -2.0], [0.5, 3.0]])
    written = bytes_of(values)
    assert written[0, :4].tolist() == ([0, 0, 128, 63] if order == "little" else [63, 128, 0, 0])
    assert torch.equal(from_bytes(written, torch.float32), values)


def test_steps_grow_by_at_most_an_eighth_and_have_four_bits():
    steps = steps_of(torch.arange(256))
    assert (steps[1:] / steps[:-1]).max() <= 1.125
    assert steps[-1] == MOST_STEP
    mantissa = torch.frexp(steps).mantissa * 16
    assert torch.equal(mantissa, mantissa.round())


@given(st.floats(0, MOST_STEP, width=32))
@settings(deadline=None)
def test_the_smallest_step_that_will_do_is_chosen(least):
    code = step_codes(torch.tensor([least]), "Dense8")
    assert steps_of(code) >= least
    assert code == 0 or steps_of(code - 1) < least


@given(st.floats(0, 5000, width=32))
@settings(deadline=None)
def test_the_nearest_span_is_chosen(span):
    table = spans_of(torch.arange(256))
    read = spans_of(span_codes(torch.tensor([span])))
    assert (read - span).abs() <= (table - span).abs().min()
    assert span > MOST_SPAN or (read - span).abs() <= max(0.5, span / 64)
