"""What every layout promises, and the words in which it refuses."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from limbeck import LimbeckError
from limbeck.cache.dense8 import Dense8
from limbeck.cache.dense16 import Dense16
from limbeck.cache.exact import Exact
from limbeck.cache.layout import layout_of, suitable_layout
from limbeck.cache.topk import TopK

KINDS = {
    "Dense8": Dense8,
    "Dense16": Dense16,
    "Exact": Exact,
    "TopK": lambda size: TopK(size, k=min(10, size - 1)),
    "TopK of 5 bits": lambda size: TopK(size, k=min(10, size - 1), bits=5),
    "TopK with label": lambda size: TopK(size, k=min(10, size - 1), label=True),
}
ROWS = st.tuples(st.integers(0, 9), st.integers(2, 40), st.integers(0, 2**31))
SCALES = st.sampled_from([0.0, 1e-6, 1e-3, 1.0, 30.0, 1e3])
OFFSETS = st.sampled_from([0.0, -4.6, 100.0, 1e4, -1e4])
DTYPES = st.sampled_from([torch.float32, torch.float64, torch.bfloat16, torch.float16])


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def drawn(shape: tuple[int, int, int], scale: float = 1.0, offset: float = 0.0) -> Tensor:
    rows, size, seed = shape
    return torch.randn(rows, size, generator=torch.Generator().manual_seed(seed)) * scale + offset


def kept(layout, values: Tensor) -> Tensor:
    """Return which numbers the layout keeps."""
    if not isinstance(layout, TopK):
        return torch.ones_like(values, dtype=torch.bool)
    return torch.zeros_like(values, dtype=torch.bool).scatter_(
        1, values.float().topk(layout.k, 1).indices, True
    )


@given(shape=ROWS, scale=SCALES, offset=OFFSETS, dtype=DTYPES)
@settings(deadline=None, max_examples=60)
@pytest.mark.parametrize("name", KINDS)
def test_what_is_kept_comes_back_within_the_stated_error(name, shape, scale, offset, dtype):
    values = drawn(shape, scale, offset).to(dtype)
    layout = KINDS[name](shape[1])
    rows = layout.encode(values)
    assert rows.dtype == torch.uint8
    assert rows.shape == (len(values), layout.width)
    read = layout.decode(rows)
    assert read.dtype == torch.float32
    assert read.shape == values.shape
    assert read.isfinite().all()
    off = (read.double() - values.double()).abs().masked_fill(~kept(layout, values), 0)
    assert (off <= layout.bound(values).double()[:, None]).all()


@given(shape=ROWS, scale=SCALES, offset=OFFSETS)
@settings(deadline=None, max_examples=30)
@pytest.mark.parametrize("name", KINDS)
def test_a_record_does_not_depend_on_its_neighbours(name, shape, scale, offset):
    values, layout = drawn(shape, scale, offset), KINDS[name](shape[1])
    order = torch.randperm(len(values))
    rows = layout.encode(values)
    assert torch.equal(layout.encode(values[order]), rows[order])
    assert torch.equal(layout.decode(rows[order]), layout.decode(rows)[order])
    assert torch.equal(layout.decode(rows), layout.decode(rows.clone()))


@pytest.mark.parametrize("size", [2, 11, 100])
def test_settings_make_an_equal_layout_again(kind, size):
    layout = kind(size)
    again = layout_of(json.loads(json.dumps(layout.settings())))
    assert again == layout
    assert again.width == layout.width


@pytest.mark.parametrize("size", [2, 10, 100])
def test_the_likeliest_class_stays_so_but_for_ties_within_the_error(kind, size):
    values, layout = 3 * torch.randn(500, size), kind(size)
    best = layout.decode(layout.encode(values)).argmax(1, keepdim=True)
    assert (values.amax(1) - values.gather(1, best).squeeze(1) <= 2 * layout.bound(values)).all()


@pytest.mark.parametrize("bad", [float("inf"), float("-inf"), float("nan")])
def test_values_that_are_not_finite_are_refused(kind, bad):
    values = torch.zeros(3, 4)
    values[1, 2] = bad
    with pytest.raises(LimbeckError, match="outputs are not finite: 1 of 3 rows"):
        kind(4).encode(values)


def test_values_and_records_of_another_size_are_refused(kind):
    layout = kind(4)
    for values in (torch.zeros(3, 5), torch.zeros(4), torch.zeros(3, 4, dtype=torch.int64)):
        with pytest.raises(LimbeckError, match="rows of 4 floating-point numbers"):
            layout.encode(values)
    for rows in (torch.zeros(3, layout.width + 1, dtype=torch.uint8), torch.zeros(3, layout.width)):
        with pytest.raises(LimbeckError, match=f"rows of {layout.width} bytes"):
            layout.decode(rows)


@pytest.mark.parametrize("size", [0, -1, 2.0, True])
def test_a_size_out_of_range_is_refused(size):
    for each in (Dense8, Dense16, Exact, TopK):
        with pytest.raises(LimbeckError, match="size must be a whole number"):
            each(size)


@pytest.mark.parametrize(
    ("description", "words"),
    [
        ({}, "No layout 'None'"),
        ({"layout": "dense8", "size": 4}, "Did you mean 'Dense8'"),
        ({"layout": "Dense8"}, "described by size"),
        ({"layout": "Dense8", "size": 4, "bits": 7}, "described by size"),
        ({"layout": "Dense8", "size": "4"}, "described by size"),
        ({"layout": "Dense8", "size": True}, "described by size"),
        ({"layout": "Dense8", "size": 0}, "size must be"),
        ({"layout": ["Dense8"], "size": 4}, "No layout"),
    ],
)
def test_a_description_that_is_not_ours_is_refused(description, words):
    with pytest.raises(LimbeckError, match=words):
        layout_of(description)


def test_a_layout_is_chosen_by_kind_and_size():
    assert suitable_layout(256, kind="logits") == Dense8(256)
    assert suitable_layout(257, kind="logits") == TopK(257, k=10)
    assert suitable_layout(1, kind="values") == Exact(1)
    assert suitable_layout(64, kind="vector").size == 64
    with pytest.raises(LimbeckError, match="No kind of answer 'boxes'"):
        suitable_layout(4, kind="boxes")  # type: ignore[arg-type]
