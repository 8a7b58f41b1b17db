"""Labelled and unlabelled samples in every batch: in what ratio, how often, in which views."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from limbeck.data import Shift, TensorSource, Views
from limbeck.data.loader import Loader, Part
from limbeck.data.mixture import Mixture, Repeated, divided, passes
from limbeck.data.part import Batching
from limbeck.data.relabelled import Relabelled
from limbeck.errors import LimbeckError


def views(labelled, unlabelled, seed=0):
    count = labelled + unlabelled
    pixels = torch.randint(0, 256, (count, 1, 8, 8), generator=torch.Generator().manual_seed(1))
    source = TensorSource(pixels.to(torch.uint8), torch.arange(count) % 3)
    marks = torch.arange(count) < labelled
    return Views(Relabelled(source, source.targets, marks), Shift(2), seed=seed)


def mixture(labelled=20, unlabelled=100, ratio=3.0):
    every = torch.arange(labelled + unlabelled)
    return Mixture(views(labelled, unlabelled), every[:labelled], every[labelled:], ratio)


def batches(part, epoch, **options):
    return [batch for step in part.steps(epoch, Batching(**options)) for batch in step]


def kinds(batch, labelled):
    return int((batch.index < labelled).sum()), int((batch.index >= labelled).sum())


@settings(max_examples=150, deadline=None)
@given(
    labelled=st.integers(1, 60),
    unlabelled=st.integers(1, 60),
    ratio=st.floats(0.1, 12),
    batch_size=st.integers(2, 24),
    world=st.integers(1, 3),
    smallest=st.integers(1, 4),
)
def test_an_epoch_shows_the_longer_stream_once_in_the_ratio(
    labelled, unlabelled, ratio, batch_size, world, smallest
):
    part = mixture(labelled, unlabelled, ratio)
    options = {"batch_size": batch_size, "world": world, "smallest": min(smallest * world, batch_size)}
    try:
        found = batches(part, 2, **options)
        each = divided(batch_size, ratio, world)
    except LimbeckError:
        assume(False)
    assert sum(each) == batch_size
    assert each[0] == max(1, round(batch_size / (1 + ratio)))
    assert all(kinds(batch, labelled) == each for batch in found[:-1])
    assert all(
        min(kinds(batch.share(rank, world), labelled)) >= 1 for batch in found for rank in range(world)
    )
    assert all(len(batch) >= options["smallest"] for batch in found)
    assert len(found[-1]) < 2 * batch_size
    seen = torch.cat([batch.index for batch in found])
    counts = torch.bincount(seen, minlength=labelled + unlabelled)
    longer, shorter = counts[:labelled], counts[labelled:]
    if unlabelled / each[1] >= labelled / each[0]:
        longer, shorter = shorter, longer
    assert longer.tolist() == [1] * len(longer)
    assert shorter.max() - shorter.min() <= 2  # a pass that began before, and one that ends after this epoch
    # each process's shares make up the batch
    for batch in found:
        shared = torch.cat([batch.share(rank, world).index for rank in range(world)])
        assert sorted(shared.tolist()) == sorted(batch.index.tolist())


def test_sizes_are_those_of_every_epoch():
    part = mixture(20, 101, 3)
    sizes = [[len(batch) for batch in batches(part, epoch, batch_size=16)] for epoch in range(5)]
    assert sizes[0] == [16] * 8 + [5 + 2]
    assert all(each == sizes[0] for each in sizes)


def test_a_sample_seen_five_times_is_seen_in_five_views():
    part = mixture(12, 180, 3)  # 15 batches of 4 + 12: the labelled are passed five times
    for epoch in range(3):
        found = batches(part, epoch, batch_size=16)
        index, view = (torch.cat([getattr(batch, each) for batch in found]) for each in ("index", "view"))
        assert torch.bincount(index)[:12].tolist() == [5] * 12
        for sample in range(12):
            assert sorted(view[index == sample].tolist()) == list(range(5 * epoch, 5 * epoch + 5))
        assert view[index >= 12].unique().tolist() == [epoch]
    drawn = part.views.read(torch.full((5,), 3), torch.arange(5)).inputs
    assert len(drawn.flatten(1).unique(dim=0)) > 1


def test_no_key_comes_twice_and_no_sample_is_neglected():
    """Over many epochs every labelled sample is seen as often as any other, or once more, never in one view twice."""
    part = mixture(17, 50, 1)
    seen = [batch for epoch in range(9) for batch in batches(part, epoch, batch_size=10)]
    keys = [key for batch in seen for key in zip(batch.index.tolist(), batch.view.tolist(), strict=True)]
    assert len(set(keys)) == len(keys)
    counts = torch.bincount(torch.cat([batch.index for batch in seen]))
    assert counts[:17].max() - counts[:17].min() <= 1
    assert counts[17:].tolist() == [9] * 50


def test_labelled_may_be_the_longer_stream():
    part = mixture(100, 10, 1)
    found = batches(part, 1, batch_size=20)
    assert [kinds(each, 100) for each in found] == [(10, 10)] * 10
    assert torch.cat([each.index for each in found]).bincount().tolist() == [1] * 100 + [10] * 10


def test_each_pass_has_an_order_of_its_own_and_seeds_differ():
    found = passes(torch.arange(50), 0, [50, 50, 50], seed=1)
    orders = [each.index.tolist() for each in found]
    assert all(sorted(each) == list(range(50)) for each in orders)
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert [each.view.unique().tolist() for each in found] == [[0], [1], [2]]
    assert passes(torch.arange(50), 0, [50], seed=2)[0].index.tolist() != orders[0]
    later = passes(torch.arange(50), 1, [50], seed=1)[0]
    assert later.index.tolist() == orders[1]  # an epoch goes on where the one before left off


def test_order_depends_on_seed_and_epoch_alone():
    def order(**changed):
        options = {"batch_size": 16, "seed": 4, **changed}
        return torch.cat(
            [each.index for each in batches(mixture(20, 96), options.pop("epoch", 1), **options)]
        )

    assert torch.equal(order(), order())
    assert torch.equal(order(), order(accumulate=3))
    assert torch.equal(order(), order(world=2))
    assert not torch.equal(order(), order(seed=5))
    assert not torch.equal(order(), order(epoch=2))


def test_batches_are_grouped_for_accumulation():
    steps = mixture(20, 96, 3).steps(0, Batching(16, accumulate=3))
    assert [len(step) for step in steps] == [3, 3, 2]


def loaded(part, epoch=1, start=0, **options):
    loader = Loader(part, 16, seed=3, **options)
    try:
        return [share for step in loader.epoch(epoch, start) for share in step.shares]
    finally:
        loader.close()


def same(one, other):
    names = ("inputs", "targets", "index", "view", "labelled")
    return all(torch.equal(getattr(one.batch, each), getattr(other.batch, each)) for each in names)


@pytest.mark.parametrize("kind", ["mixture", "alone"])
def test_workers_and_resuming_change_no_bit(kind):
    part = mixture(20, 101)
    part = part if kind == "mixture" else Repeated(part.views, part.labelled, part)
    whole = loaded(part)
    assert len(whole) == 9
    for again in (loaded(part), loaded(part, workers=2)):
        assert all(map(same, whole, again))
    for start in (0, 1, 5, 9):
        rest = loaded(part, start=start)
        assert len(rest) == 9 - start
        assert all(map(same, whole[start:], rest))


def test_batches_carry_marks_and_no_hidden_label():
    for share in loaded(mixture()):
        batch = share.batch
        assert batch.labelled.tolist() == (batch.index < 20).tolist()
        assert torch.equal(batch.targets[batch.labelled], batch.index[batch.labelled] % 3)
        assert batch.targets[~batch.labelled].unique().tolist() == [0]


@pytest.mark.parametrize("world", [2, 3, 4])
def test_processes_share_each_batch_and_both_kinds(world):
    part = mixture(20, 101)
    alone = loaded(part)
    shares = [loaded(part, rank=rank, world=world) for rank in range(world)]
    assert {len(each) for each in shares} == {len(alone)} if world < 3 else {len(alone) - 1}
    for number, whole in enumerate(alone[:8]):
        together = sorted(key for each in shares for key in keys(each[number].batch))
        if number < 7:
            assert together == sorted(keys(whole.batch))
        weights = sum(each[number].weight * len(each[number].batch) for each in shares)
        assert weights > 0
        for each in shares:
            marks = each[number].batch.labelled
            assert marks.any()
            assert not marks.all()


def keys(batch):
    return list(zip(batch.index.tolist(), batch.view.tolist(), strict=True))


def test_alone_takes_as_many_steps_of_as_many_samples():
    mixed = mixture(20, 101)
    alone = Repeated(mixed.views, mixed.labelled, mixed)
    for options in ({}, {"accumulate": 3}, {"world": 2, "smallest": 12}):
        ours, theirs = (each.steps(1, Batching(16, **options)) for each in (alone, mixed))
        assert [[len(batch) for batch in step] for step in ours] == [
            [len(batch) for batch in s] for s in theirs
        ]
    every = [batch for epoch in range(6) for batch in batches(alone, epoch, batch_size=16)]
    index = torch.cat([each.index for each in every])
    assert index.max() < 20
    counts = torch.bincount(index)
    assert counts.max() - counts.min() <= 1
    pairs = [pair for batch in every for pair in zip(batch.index.tolist(), batch.view.tolist(), strict=True)]
    assert len(set(pairs)) == len(pairs)


def test_alone_beside_a_plain_part():
    """The transfer set read in any order: the student alone still takes as many steps."""
    whole = Part(views(20, 30), torch.arange(50))
    alone = Repeated(whole.views, torch.arange(20), whole)
    assert [len(each) for each in batches(alone, 0, batch_size=16)] == [16, 16, 16, 2]


def test_fingerprints_tell_mixtures_apart():
    one = mixture()
    kinds = [
        one,
        mixture(ratio=2),
        Mixture(one.views, one.labelled[:-1], one.unlabelled, 3),
        Mixture(one.views, one.labelled, one.unlabelled[:-1], 3),
        Mixture(one.views, one.unlabelled, one.labelled, 3),
        Mixture(views(20, 100, seed=1), one.labelled, one.unlabelled, 3),
        Repeated(one.views, one.labelled, one),
        Repeated(one.views, one.labelled, mixture(ratio=2)),
        Part(one.views, one.indices),
    ]
    assert len({each.fingerprint() for each in kinds}) == len(kinds)
    assert mixture(ratio=3).fingerprint() == one.fingerprint()


def test_frozen_order():
    """Interrupted runs go on in this order."""
    first = batches(mixture(), 1, batch_size=8, seed=2)[0]
    assert (first.index.tolist(), first.view.tolist()) == ([17, 11, 40, 102, 29, 87, 91, 34], [1] * 8)


@pytest.mark.parametrize("ratio", [0, -1, float("inf"), float("nan"), True, "3", None])
def test_ratios_that_are_none_are_refused(ratio):
    with pytest.raises(LimbeckError, match="ratio of unlabelled to labelled samples is a number above 0"):
        mixture(ratio=ratio)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            (4, 0.1, 1),
            "A batch of 4 with 0.1 unlabelled samples for each labelled one has 0 unlabelled, but every",
        ),
        (
            (64, 1000, 1),
            "A batch of 64 with 1000 unlabelled samples for each labelled one has 0 labelled, but every",
        ),
        ((16, 15, 2), "has 1 labelled, but each of 2 processes needs one: raise batch_size"),
        ((1, 1, 1), "A batch of 1 .* has 0 unlabelled"),
    ],
)
def test_batches_too_small_for_the_ratio_are_refused(given, says):
    with pytest.raises(LimbeckError, match=says):
        divided(*given)


def test_streams_without_samples_are_refused():
    none = torch.empty(0, dtype=torch.int64)
    one = mixture()
    with pytest.raises(LimbeckError, match="there are no unlabelled ones; name a folder with --unlabelled"):
        Mixture(one.views, one.labelled, none)
    with pytest.raises(LimbeckError, match="there are no labelled ones"):
        Mixture(one.views, none, one.unlabelled)
    with pytest.raises(LimbeckError, match="no samples to repeat"):
        Repeated(one.views, none, one)


def test_too_few_samples_for_one_batch_are_refused():
    with pytest.raises(
        LimbeckError, match=r"1 labelled and 3 unlabelled samples mixed 1 to 3 make one batch"
    ):
        mixture(1, 3, 3).steps(0, Batching(64, world=2))
    with pytest.raises(LimbeckError, match="too few for what learns from batches of at least 8"):
        mixture(1, 3, 3).steps(0, Batching(64, smallest=8))
