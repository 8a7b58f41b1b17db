"""Several views of each decoded image in a batch: the same views over some epochs, each image decoded once."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from data.test_views import GREY, RGB, images, noisy
from limbeck.data import Mix, Shift, Views
from limbeck.data.loader import Loader, Part
from limbeck.data.part import Batching
from limbeck.errors import LimbeckError


class Counted:
    """Images that say how often each was decoded."""

    def __init__(self, count=24):
        self.images = images(count)
        self.targets = self.images.targets
        self.decoded = Counter()

    def __len__(self):
        return len(self.images)

    def read(self, index):
        self.decoded[index] += 1
        return self.images.read(index)

    def fingerprint(self):
        return self.images.fingerprint()


def part(views=3, count=24, cycle=None, augment=noisy, source=None, **options):
    source = source or images(count)
    return Part(
        Views(source, augment, GREY, 5), torch.arange(count), cycle, views_per_decode=views, **options
    )


def pairs(part, epochs, **options):
    found = [batch for epoch in epochs for step in part.steps(epoch, Batching(**options)) for batch in step]
    return [key for each in found for key in zip(each.index.tolist(), each.view.tolist(), strict=True)]


@settings(max_examples=150, deadline=None)
@given(
    count=st.integers(1, 50),
    views=st.integers(2, 5),
    batch=st.integers(1, 5),
    world=st.integers(1, 3),
    smallest=st.integers(1, 3),
    block=st.integers(0, 2),
    cycle=st.sampled_from([None, 1, 2]),
)
def test_some_epochs_read_what_single_views_would(count, views, batch, world, smallest, block, cycle):
    assume(count >= world * smallest)
    size = batch * views
    options = {"batch_size": size, "smallest": smallest * world, "world": world, "seed": 2}
    cycle = None if cycle is None else cycle * views
    several, single = (part(each, count, cycle) for each in (views, 1))
    block = range(block * views, (block + 1) * views)
    try:
        found = sorted(pairs(several, block, **options))
    except LimbeckError as error:
        found = str(error)
    if isinstance(found, str):
        assert world > 1 or smallest > 1
        assert "too few" in found
        return
    single_options = {**options, "batch_size": max(size, smallest * world)}
    assert found == sorted(pairs(single, block, **single_options))
    sizes = [
        [len(each) for step in several.steps(epoch, Batching(**options)) for each in step] for epoch in block
    ]
    assert all(each == sizes[0] for each in sizes)
    assert sum(sizes[0]) == count
    for batches in (several.steps(epoch, Batching(**options)) for epoch in block):
        for reading in (each for step in batches for each in step):
            shares = [reading.share(rank, world) for rank in range(world)]
            assert min(map(len, shares)) >= smallest
            seen = [set(share.index.tolist()) for share in shares]
            assert sum(map(len, seen)) == len(set().union(*seen))  # no image is in two processes
            assert sum(map(len, shares)) == len(reading)


def test_a_batch_holds_all_views_of_its_images_and_epochs_differ():
    several = part(views=3)
    steps = several.steps(1, Batching(6))
    assert [len(batch) for (batch,) in steps] == [6] * 4
    for (batch,) in steps:
        assert batch.view.tolist() == [0, 1, 2] * 2
        assert (batch.index.view(2, 3) == batch.index.view(2, 3)[:, :1]).all()
    first, second, later = (pairs(several, [epoch], batch_size=6) for epoch in (0, 1, 3))
    assert {index for index, _ in first}.isdisjoint(index for index, _ in second)
    assert {view for _, view in later} == {3, 4, 5}


def test_a_cycle_brings_the_views_again():
    several = part(views=2, cycle=4)
    for epochs in ((0, 1), (4, 5), (8, 9)):
        assert sorted(pairs(several, epochs, batch_size=8)) == sorted(pairs(part(1), (0, 1), batch_size=8))
    assert pairs(several, (0, 1), batch_size=8) != pairs(several, (4, 5), batch_size=8)


@pytest.mark.parametrize("augment", [noisy, Shift(1), None, {"teacher": Shift(1), "student": noisy}])
def test_an_image_is_decoded_once_for_all_its_views_and_each_is_what_it_would_be_alone(augment):
    source = Counted()
    several = part(views=4, augment=augment, source=source)
    for step in Loader(several, 8).epoch(0):
        batch = step.shares[0].batch
        source.decoded, wanted = Counter(), source.decoded
        single = [several.views[key] for key in zip(batch.index.tolist(), batch.view.tolist(), strict=True)]
        source.decoded = wanted
        for role in ("teacher", "student"):
            alone = torch.cat([each.inputs_for(role) for each in single])
            assert torch.equal(batch.inputs_for(role), alone)
    assert set(source.decoded.values()) == {1}


def test_mixed_views_decode_what_they_share_once():
    source = Counted()
    views = Views(source, Shift(1), GREY, 5, mix=Mix("mixup-1", torch.arange(24), 10))
    batch = views.read(torch.tensor([3, 3, 3]), torch.arange(3))
    assert set(source.decoded.values()) == {1}
    for row, view in enumerate(batch.view.tolist()):
        assert torch.equal(batch.inputs[row], views[(3, view)].inputs[0])


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_workers_processes_and_resuming_change_no_bit(workers, accumulate):
    several = part(views=2, count=23)
    whole = [each.shares for each in Loader(several, 8, accumulate=accumulate).epoch(1)]
    again = Loader(several, 8, accumulate=accumulate, workers=workers)
    for shares, step in zip(whole[1:], again.epoch(1, start=1), strict=True):
        for one, other in zip(shares, step.shares, strict=True):
            assert torch.equal(one.batch.inputs, other.batch.inputs)
    again.close()
    rows, weights = {}, torch.zeros(len(whole))
    for rank in range(2):
        loader = Loader(several, 8, accumulate=accumulate, workers=workers, rank=rank, world=2)
        for number, step in enumerate(loader.epoch(1)):
            for share in step.shares:
                keys = zip(share.batch.index.tolist(), share.batch.view.tolist(), strict=True)
                rows |= dict(zip(keys, share.batch.inputs, strict=True))
                weights[number] += share.weight / 2
        loader.close()
    assert weights.tolist() == pytest.approx([1.0] * len(whole))
    seen = 0
    for batch in (share.batch for shares in whole for share in shares):
        for key, sample in zip(
            zip(batch.index.tolist(), batch.view.tolist(), strict=True), batch.inputs, strict=True
        ):
            assert torch.equal(rows[key], sample)
            seen += 1
    assert seen == len(rows) == 23


def test_inputs_that_nobody_reads_are_not_made_here_either():
    both = Views(images(24), Shift(1), {"teacher": RGB, "student": GREY}, 5)
    sparing = Part(both, torch.arange(24), 4, ("teacher",), 4, views_per_decode=2)
    for epoch in (3, 4):
        for step in Loader(sparing, 8).epoch(epoch):
            assert ("teacher" in step.shares[0].batch.inputs) == (epoch < 4)


def test_it_is_in_the_fingerprint_and_one_view_changes_none():
    plain = part(1)
    assert plain.fingerprint() == Part(plain.views, plain.indices).fingerprint()
    several = [plain, part(2), part(3), part(2, cycle=2), part(1, cycle=2)]
    assert len({each.fingerprint() for each in several}) == len(several)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: part(0), "Views per decode are a whole number of at least 1, not 0"),
        (lambda: part(True), "not True"),
        (
            lambda: part(2, cycle=5),
            r"2 views per decode do not divide a cycle of 5 views: keep 4 or 6 views\.",
        ),
        (lambda: part(4, cycle=2), r"4 views per decode do not divide a cycle of 2 views: keep 4 views\."),
        (
            lambda: Loader(part(3), 8).steps(0),
            r"of 8 does not divide into images of 3 views each: take .* 6 or 9\.",
        ),
        (
            lambda: Loader(part(3), 2).steps(0),
            r"of 2 does not divide into images of 3 views each: take .* 3\.",
        ),
        (
            lambda: Loader(part(4), 4, world=2).steps(0),
            "room for 1 of 4 views each, too few for each of 2",
        ),
    ],
)
def test_what_does_not_divide_is_refused(make, says):
    with pytest.raises(LimbeckError, match=says):
        make()


def test_fields_can_be_replaced():
    assert replace(part(2), spared=("teacher",)).views_per_decode == 2
