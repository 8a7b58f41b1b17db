"""The largest logits, and what is made of the rest."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from limbeck import LimbeckError
from limbeck.cache.layout import fitted_layout, layout_of
from limbeck.cache.topk import TopK
from limbeck.functional import ABSENT


def related(rows: int, classes: int, seed: int = 0) -> Tensor:
    """Return logits as a network gives them: what it says of one class follows from what it says of others."""
    draw = torch.Generator().manual_seed(0)
    weights, bias = torch.randn(8, classes, generator=draw), torch.randn(classes, generator=draw)
    draw = torch.Generator().manual_seed(1 + seed)
    return (
        torch.randn(rows, 8, generator=draw) @ weights
        + bias
        + 0.5 * torch.randn(rows, classes, generator=draw)
    )


def tail_of(logits: Tensor, like: Tensor, k: int) -> Tensor:
    """Return the logits of the classes that are not among the k largest of ``like``."""
    return logits.gather(1, like.argsort(1, descending=True)[:, k:])


@pytest.mark.parametrize(
    ("layout", "goal"),
    [
        (TopK(100), 28),
        (TopK(1000), 32),
        (TopK(1000, bits=5), 24),
        (TopK(1000, label=True), 40),
        (TopK(1000, k=17, bits=5, label=True), 40),
    ],
)
def test_a_record_is_as_short_as_was_promised(layout, goal):
    assert layout.width + 1 <= goal  # the store adds a byte
    values = torch.randn(3, layout.size)
    assert layout.encode(values, torch.tensor([1, -1, 5])).shape == (3, layout.width)
    assert fitted_layout(layout, related(64, layout.size)).width == layout.width


@pytest.mark.parametrize("bits", [4, 5, 8])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 100.0])
def test_the_largest_keep_their_order_and_the_likeliest_class(bits, scale):
    values = scale * torch.randn(500, 100)
    layout = TopK(100, bits=bits)
    read = layout.decode(layout.encode(values))
    assert torch.equal(read.topk(10, 1).indices, values.topk(10, 1).indices)


@pytest.mark.parametrize("fit", [False, True])
@pytest.mark.parametrize("scale", [0.01, 1.0, 300.0])
def test_the_tail_has_its_mean_and_spread_and_stays_below(fit, scale):
    values = scale * related(400, 60)
    layout = TopK(60).fitted(scale * related(800, 60, 1)) if fit else TopK(60)
    read = layout.decode(layout.encode(values))
    tail, true = tail_of(read, values, 10), tail_of(values, values, 10)
    gap = values.sort(1).values[:, -10] - true.mean(1)
    assert ((tail.mean(1) - true.mean(1)).abs() <= 0.06 * gap).all()
    assert ((tail.std(1) / true.std(1) - 1).abs() <= 0.13).all()
    assert ((read.std(1) / values.std(1) - 1).abs() <= 0.06).all()
    assert (tail.amax(1) <= read.sort(1).values[:, -10]).all()


def test_what_is_usual_tells_most_of_the_tail():
    values = related(500, 60)
    layout = TopK(60).fitted(related(1000, 60, 1))
    for each, most in ((TopK(60), 1.6), (layout, 0.45)):
        tail = tail_of(each.decode(each.encode(values)), values, 10)
        true = tail_of(values, values, 10)
        away = (tail - true).square().sum() / (true - true.mean(1, keepdim=True)).square().sum()
        assert 0.5 * most < away**0.5 < most


@pytest.mark.parametrize("fit", [False, True])
def test_a_label_is_put_in_its_place(fit):
    values, labels = related(300, 60), torch.randint(-1, 60, (300,))
    layout = TopK(60, label=True)
    layout = layout.fitted(related(500, 60, 1)) if fit else layout
    read = layout.decode(layout.encode(values, labels), labels)
    some = labels >= 0
    off = (read - values)[some].gather(1, labels[some, None]).abs().squeeze(1)
    gap = values.sort(1).values[some, -10] - values[some].gather(1, labels[some, None]).squeeze(1)
    assert (off <= gap.clamp_min(0) / 60 + 2 * layout.bound(values)[some]).all()
    assert torch.equal(read.topk(10, 1).indices, values.topk(10, 1).indices)
    without = layout.decode(layout.encode(values))
    assert torch.equal(without, layout.decode(layout.encode(values), labels))  # none was kept, none is read
    assert torch.equal(read[~some], without[~some])


@pytest.mark.parametrize("fit", [False, True])
@pytest.mark.parametrize("label", [False, True])
def test_rows_of_which_the_teacher_knows_few_classes(fit, label):
    layout = TopK(30, k=5, label=label)
    layout = layout.fitted(related(500, 30)) if fit else layout
    values = torch.full((4, 30), ABSENT)
    values[0, 3] = 0.0  # what an oracle without a right teacher says
    values[1, [2, 7, 9, 11, 29]] = torch.tensor([1.0, 5.0, 3.0, -2.0, 0.0])
    values[2] = related(1, 30)[0]
    labels = torch.tensor([3, 1, 0, -1])
    read = layout.decode(layout.encode(values, labels), labels)
    assert torch.equal(read == ABSENT, values == ABSENT)
    known = values != ABSENT
    known[2] = False
    assert ((read - values).abs().masked_fill(~known, 0).amax(1) <= layout.bound(values)).all()
    assert read[2].isfinite().all()
    assert layout.bound(values)[:2].max() < 0.02  # not coarsened by what is absent


def test_labels_of_other_kinds_are_refused():
    layout = TopK(30, label=True)
    for labels in (torch.full((2,), 30), torch.zeros(2), torch.zeros(3, dtype=torch.int64)):
        with pytest.raises(LimbeckError, match="labels, one for each row, from 0 to 29"):
            layout.encode(torch.randn(2, 30), labels)


@given(seed=st.integers(0, 2**31), far=st.sampled_from([1.0, 1e3, 1e5]))
@settings(deadline=None, max_examples=30)
def test_a_label_far_below_is_within_what_is_stated(seed, far):
    values = torch.randn(8, 30, generator=torch.Generator().manual_seed(seed))
    values[:, 4] -= far
    for layout in (TopK(30, label=True), TopK(30, bits=5, label=True)):
        labels = torch.full((8,), 4)
        read = layout.decode(layout.encode(values, labels), labels)
        off = (read - values).abs().gather(1, values.topk(10, 1).indices).amax(1)
        assert (off <= layout.bound(values)).all()
        assert ((read - values)[:, 4].abs() <= 0.02 * far + layout.bound(values) + 0.1).all()


def test_rows_with_holes_are_refused():
    values = related(2, 30)
    values[1, values[1].argmin()] = ABSENT
    with pytest.raises(LimbeckError, match="use the layout Dense8"):
        TopK(30).encode(values)


def test_classes_beyond_sixteen_bits_signed():
    values = torch.randn(20, 40_000)
    values[:, 39_999] = 20
    layout = TopK(40_000).fitted(values.repeat(2, 1))
    assert layout.width == 4 + 10 + 20
    for each in (TopK(40_000), layout):
        read = each.decode(each.encode(values))
        assert torch.equal(read.topk(10, 1).indices, values.topk(10, 1).indices)


@given(size=st.integers(2, 5), seed=st.integers(0, 2**31), scale=st.sampled_from([0.0, 1.0, 1e3]))
@settings(deadline=None, max_examples=40)
def test_tails_of_a_class_or_two(size, seed, scale):
    values = scale * torch.randn(6, size, generator=torch.Generator().manual_seed(seed))
    labels = torch.arange(6) % size
    for layout in (TopK(size, k=size - 1, label=True), TopK(size, k=1, bits=5, label=True)):
        fitted = layout.fitted(related(200, size))
        for each in (layout, fitted):
            read = each.decode(each.encode(values, labels), labels)
            assert read.isfinite().all()
            assert not scale or torch.equal(read.argmax(1), values.argmax(1))


def test_no_rows():
    for layout in (TopK(20, label=True), TopK(20, label=True).fitted(related(100, 20))):
        rows = layout.encode(torch.zeros(0, 20), torch.zeros(0, dtype=torch.int64))
        assert rows.shape == (0, layout.width)
        assert layout.decode(rows, torch.zeros(0, dtype=torch.int64)).shape == (0, 20)
        assert layout.bound(torch.zeros(0, 20)).shape == (0,)


def test_a_fitted_row_does_not_depend_on_its_neighbours():
    values, labels = related(300, 60), torch.randint(0, 60, (300,))
    layout = TopK(60, label=True).fitted(related(500, 60, 1))
    rows = layout.encode(values, labels)
    together = layout.decode(rows, labels)
    for part in (slice(0, 1), slice(7, 9), slice(100, 300)):
        assert torch.equal(layout.encode(values[part], labels[part]), rows[part])
        assert torch.equal(layout.decode(rows[part], labels[part]), together[part])
    seen = related(500, 60, 1)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layout.decode(rows, labels), together)
        assert layout.fitted(seen) == layout


def test_what_was_learnt_goes_through_the_header():
    layout = TopK(60).fitted(related(500, 60))
    assert layout_of({**layout.settings(), "width": layout.width}) == layout
    assert len(layout.table) == 60 * 17 * 4 / 3
    for table in ("AAA", "ä", layout.table[:-4], "A" * 80):
        with pytest.raises(LimbeckError, match="does not suit 60 classes"):
            layout_of({**layout.settings(), "table": table})
    with pytest.raises(LimbeckError, match="have 23 bytes, not the 22"):
        layout_of({**TopK(100).settings(), "width": 22})


def test_few_rows_or_holes_teach_nothing():
    assert TopK(60).fitted(related(31, 60)) == TopK(60)
    holes = related(100, 60)
    holes[:, 3] = ABSENT
    assert TopK(60).fitted(holes) == TopK(60)
    assert TopK(60).fitted(torch.zeros(100, 60)) == TopK(60)
    some = torch.cat([holes[:50], related(50, 60)])
    assert TopK(60).fitted(some) == TopK(60).fitted(some[50:])


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"k": 0}, "k must be a whole number"),
        ({"k": 100}, "k = 100 of 100"),
        ({"bits": 3}, "bits must be a whole number of at least 4"),
        ({"bits": 9}, "4 to 8 bits"),
        ({"label": 1}, "label is true or false"),
        ({"left": 0.0}, "left must be a finite number above 0"),
    ],
)
def test_settings_out_of_range_are_refused(given_, words):
    with pytest.raises(LimbeckError, match=words):
        replace(TopK(100), **given_)


def test_altered_records_are_read_without_a_crash():
    """The store refuses them by their checksums; should one pass, it must not reach beyond the row."""
    for layout in (TopK(60, label=True), TopK(60, label=True).fitted(related(100, 60))):
        rows = torch.randint(0, 256, (500, layout.width), dtype=torch.uint8)
        assert layout.decode(rows, torch.randint(0, 60, (500,))).isfinite().all()
