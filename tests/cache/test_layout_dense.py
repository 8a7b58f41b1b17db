"""Answers of which every number is kept."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck import LimbeckError
from limbeck.cache.dense8 import Dense8
from limbeck.cache.dense16 import Dense16
from limbeck.cache.exact import Exact
from limbeck.functional import ABSENT


@pytest.mark.parametrize(("classes", "goal"), [(10, 14), (100, 104)])
def test_a_byte_a_logit_and_two(classes, goal):
    assert Dense8(classes).width == classes + 2
    assert Dense8(classes).width + 1 <= goal  # the store adds a byte
    assert (Dense16(classes).width, Exact(classes).width) == (2 * classes, 4 * classes)


def test_the_error_is_a_part_of_the_range_and_of_large_offsets_a_part_of_these():
    rows = torch.rand(1000, 10) * torch.logspace(-3, 4, 1000)[:, None]
    spread = rows.amax(1) - rows.amin(1)
    assert (Dense8(10).bound(rows) <= spread / 437 + 1e-6).all()
    assert (Dense8(10).bound(rows - 2 * spread[:, None]) <= spread / 437 + 1e-6).all()
    assert (Dense8(10).bound(1e4 + rows / 1e4) <= 1e4 / 1819).all()


@pytest.mark.parametrize("kind", [Dense8, Dense16, Exact])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_unknown_classes_come_back_exactly(kind, dtype):
    values = torch.randn(50, 8).to(dtype)
    plain = kind(8).decode(kind(8).encode(values))
    values[:, 3:5] = ABSENT
    read = kind(8).decode(kind(8).encode(values))
    if (
        kind is Dense8 or dtype is not torch.bfloat16
    ):  # which cannot hold it: a byte a logit knows it all the same
        assert (read[:, 3:5] == ABSENT).all()
    others = [0, 1, 2, 5, 6, 7]
    assert (
        (read - values.float())[:, others].abs()
        <= (plain - plain + kind(8).bound(values)[:, None])[:, others]
    ).all()
    if kind is Dense8:  # not coarsened by them
        assert (kind(8).bound(values) <= kind(8).bound(values[:, others].repeat(1, 2)[:, :8]) + 1e-9).all()


def test_rows_of_unknown_classes_alone():
    values = torch.full((3, 4), ABSENT)
    values[1, 2] = 5.0
    read = Dense8(4).decode(Dense8(4).encode(values))
    assert torch.equal(read[0], values[0])
    assert (read - values).abs().max() <= 5 / 1819


@given(value=st.floats(-1e4, 1e4, width=32), size=st.integers(1, 3))
@settings(deadline=None)
def test_constant_rows_stay_constant(value, size):
    read = Dense8(size).decode(Dense8(size).encode(torch.full((1, size), value)))
    assert read.unique().numel() == 1
    assert (read - value).abs().max() <= abs(value) / 1819 + 2e-6


@pytest.mark.parametrize("kind", [Dense8, Dense16, Exact])
def test_no_rows(kind):
    rows = kind(5).encode(torch.zeros(0, 5))
    assert rows.shape == (0, kind(5).width)
    assert kind(5).decode(rows).shape == (0, 5)
    assert kind(5).bound(torch.zeros(0, 5)).shape == (0,)


def test_exact_is_exact():
    values = torch.randn(20, 7) * torch.logspace(-30, 30, 20)[:, None]
    assert torch.equal(Exact(7).decode(Exact(7).encode(values)), values)
    assert not Exact(7).bound(values).any()


def test_what_is_too_large_is_refused():
    with pytest.raises(LimbeckError, match="reach 70,000, and Dense16 keeps float16, which ends at 65,504"):
        Dense16(2).encode(torch.tensor([[70000.0, 0.0]]))
    with pytest.raises(LimbeckError, match="too large for Dense8"):
        Dense8(2).encode(torch.tensor([[1e7, -1e7]]))
    with pytest.raises(LimbeckError, match="not finite"):
        Exact(1).encode(torch.tensor([[1e300]], dtype=torch.float64))


def test_bytes_are_as_the_definition_says():
    """By hand: the range of 5 wants a step of 0.0203, the next is 2⁻⁶ · 11 / 8; −1 is −47 steps, 6 units below 0."""
    rows = Dense8(3).encode(torch.tensor([[4.0, -1.0, ABSENT]]))
    step = 11 / 8 / 64
    code = next(c for c in range(256) if (8 + c % 8) / 8 * 2 ** (c // 8 - 19) == step)
    assert rows.tolist() == [[code, 256 - 6, round(4 / step) + 48, 1, 255]]
