"""Mixup and CutMix: by sample and view alone, the same for every role, targets by the true share."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from data.test_views import GREY, KEYS, RGB, Scribbles, images, in_batches, keep, noisy
from limbeck.data import Mix, Shift, TensorSource, Views, augmentation, dataset_data, open_data
from limbeck.data.loader import Loader, Part
from limbeck.data.mix import Mixed, mix_named
from limbeck.data.relabelled import Relabelled
from limbeck.errors import LimbeckError

NAMES = ("mixup-0.2", "cutmix-1.0")
EVERY = torch.arange(20)
SHIFT = Shift(1)


def mixing(name="mixup-0.2", augment=SHIFT, inputs=GREY, seed=3, source=None, classes=10, indices=EVERY):
    return Views(source or images(), augment, inputs, seed, mix=Mix(name, indices, classes))


def every_kind(write_photos):
    for name in NAMES:
        yield mixing(name)
        yield mixing(name, {"teacher": Shift(1), "student": noisy}, {"teacher": GREY, "student": RGB})
    data = open_data(f"folder:{write_photos()}", size=16)
    crop = augmentation("resized-crop-flip", data.canvas)
    mix = Mix("cutmix-1", torch.arange(len(data.source)), 3)
    yield Views(data.source, crop, RGB, seed=3, canvas=data.canvas, mix=mix)
    yield Views(dataset_data(Scribbles()).source, Shift(1), None, 3, mix=Mix("mixup-1", EVERY, 10))


def flat(batch):
    inputs = batch.inputs.values() if isinstance(batch.inputs, dict) else [batch.inputs]
    return torch.cat([each.float().flatten(1) for each in [*inputs, batch.targets]], 1)


def test_a_mixed_view_does_not_depend_on_batch_order_or_workers(write_photos):
    for views in every_kind(write_photos):
        single = {key: flat(views[key])[0] for key in KEYS}
        for size, workers in ((4, 0), (15, 0), (5, 2)):
            batches = in_batches(KEYS, size, order_seed=size)
            for batch in DataLoader(views, batch_sampler=batches, collate_fn=keep, num_workers=workers):
                keys = zip(batch.index.tolist(), batch.view.tolist(), strict=True)
                for key, found in zip(keys, flat(batch), strict=True):
                    assert torch.equal(found, single[key])


@pytest.mark.parametrize("name", NAMES)
def test_it_is_the_sample_and_its_partner_in_their_own_draws_of_that_view(name):
    views, plain = mixing(name, inputs=None), Views(images(), Shift(1), None, 3)
    index, view = torch.arange(20), torch.arange(20) % 4
    batch = views.read(index, view)
    drawn = views.mix.drawn(3, index, view)
    own, other = plain.read(index, view), plain.read(drawn.partner, view)
    samples, share = drawn.samples(torch.cat([own.inputs, other.inputs]))
    assert torch.equal(batch.inputs, samples)
    assert ((share >= 0) & (share <= 1)).all()
    for row in range(20):
        wanted = torch.zeros(10)
        wanted[own.targets[row]] += share[row]
        wanted[other.targets[row]] += 1 - share[row]
        assert batch.targets[row].tolist() == pytest.approx(wanted.tolist(), abs=1e-6)
    assert torch.equal(batch.index, index)
    assert torch.equal(batch.view, view)


def test_shares_follow_their_distribution_and_partners_are_all_alike_likely():
    index, view = torch.arange(20000) % 50, torch.arange(20000) // 50
    drawn = Mix("mixup-0.4", torch.arange(50), 2).drawn(0, index, view)
    share = drawn.share.numpy()
    assert share.mean() == pytest.approx(0.5, abs=0.01)
    assert share.var() == pytest.approx(1 / (4 * (2 * 0.4 + 1)), rel=0.03)  # of Beta(a, a)
    counts = torch.bincount(drawn.partner, minlength=50)
    assert ((counts - 400).abs() < 5 * 400**0.5).all()
    other = Mix("mixup-0.4", torch.arange(50), 2).drawn(1, index, view)
    assert abs(np.corrcoef(share, other.share)[0, 1]) < 0.03


def test_draws_are_frozen():
    """A cache filled by one release must be right for the next."""
    drawn = Mix("cutmix-1", torch.arange(100), 2).drawn(7, torch.arange(50), torch.arange(50) % 3)
    assert hashlib.sha256(drawn.partner.numpy().tobytes()).hexdigest()[:16] == "20e6f9f123069977"
    assert drawn.share[:3].tolist() == pytest.approx([0.0853304183, 0.5932470828, 0.4019407127], abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("centre", [None, torch.rand(5, 2, dtype=torch.float64)])
def test_a_share_of_one_is_the_sample_itself_and_of_nothing_its_partner(dtype, centre):
    both = torch.randint(0, 2, (10, 3, 6, 7)).to(dtype) * (255 if dtype == torch.uint8 else 1)
    own, other = (GREY.__class__(None, 3, (0,) * 3, (1,) * 3)(each) for each in both.chunk(2))
    transform = GREY.__class__(None, 3, (0,) * 3, (1,) * 3)
    mixed, share = Mixed(torch.arange(5), torch.ones(5, dtype=torch.float64), centre).samples(both)
    assert torch.equal(transform(mixed), own)
    assert share.tolist() == [1.0] * 5
    if centre is None:
        mixed, share = Mixed(torch.arange(5), torch.zeros(5, dtype=torch.float64)).samples(both)
        assert torch.equal(transform(mixed), other)


@settings(max_examples=200, deadline=None)
@given(
    share=st.floats(0, 1),
    centre=st.tuples(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True)),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
)
def test_a_box_has_the_area_that_was_drawn_where_it_fits_and_its_true_share_is_told(
    share, centre, height, width
):
    both = torch.cat([torch.zeros(1, 1, height, width), torch.ones(1, 1, height, width)])
    drawn = Mixed(torch.zeros(1), torch.tensor([share], dtype=torch.float64), torch.tensor([centre]).double())
    cut, told = drawn.samples(both)
    inside = cut[0, 0] > 0
    assert told.item() == pytest.approx(1 - inside.double().mean().item())
    rows, columns = inside.any(1).sum().item(), inside.any(0).sum().item()
    assert inside.sum() == rows * columns  # a box
    side = (1 - share) ** 0.5
    whole = int(side * height), int(side * width)
    assert rows <= whole[0] + 1e-9
    assert columns <= whole[1] + 1e-9
    middle = int(centre[0] * height), int(centre[1] * width)
    for length, found, wanted, at in zip((height, width), (rows, columns), whole, middle, strict=True):
        fits = at - wanted // 2 >= 0 and at - wanted // 2 + wanted <= length
        if fits and whole[0] and whole[1] and rows and columns:
            assert found == wanted


@pytest.mark.parametrize("name", NAMES)
def test_roles_are_mixed_alike(name):
    both = mixing(name, {"teacher": None, "student": None}, {"teacher": GREY, "student": RGB})
    shared = mixing(name, None, {"teacher": GREY, "student": RGB})
    one, other = (each.read(EVERY, EVERY) for each in (both, shared))
    for role in ("teacher", "student"):
        assert torch.equal(one.inputs[role], other.inputs[role])
    assert torch.equal(one.targets, other.targets)
    spared = both.read(EVERY, EVERY, ["teacher"])
    assert torch.equal(spared.inputs["student"], one.inputs["student"])
    assert torch.equal(spared.targets, one.targets)


def test_labelled_samples_are_mixed_with_labelled_ones_and_the_others_with_others():
    source = images(40)
    marks = torch.arange(40) % 4 == 0
    hidden = Relabelled(source, source.targets, marks)
    views = mixing(source=hidden, indices=torch.arange(40))
    drawn = views.mix.drawn(3, torch.arange(40), torch.zeros(40).long(), marks, views.mix.pools(marks))
    assert torch.equal(marks[drawn.partner], marks)
    batch = views.read(torch.arange(40), torch.zeros(40).long())
    assert torch.equal(batch.labelled, marks)
    assert batch.targets.shape == (40, 10)
    with pytest.raises(LimbeckError, match="none of one kind to mix with"):
        mixing(source=hidden, indices=torch.arange(40)[marks]).read(torch.arange(2), torch.arange(2))


def test_partners_are_of_the_part_alone():
    indices = torch.tensor([2, 5, 11])
    drawn = Mix("mixup-1", indices, 10).drawn(0, torch.arange(20), torch.arange(20))
    assert set(drawn.partner.tolist()) <= {2, 5, 11}


def test_values_are_mixed_too():
    source = TensorSource(torch.rand(20, 4), torch.rand(20))
    views = Views(source, mix=Mix("mixup-1", EVERY))
    batch = views.read(EVERY, EVERY)
    drawn = views.mix.drawn(0, EVERY, EVERY)
    share, other = drawn.share.float(), source.targets[drawn.partner]
    assert torch.allclose(batch.targets, share * source.targets + (1 - share) * other)


@pytest.mark.parametrize("workers", [0, 2])
def test_processes_together_read_what_one_reads(workers):
    part = Part(mixing("cutmix-1"), EVERY)
    found = []
    for world in (1, 2):
        rows = {}
        for rank in range(world):
            loader = Loader(part, 8, workers=workers, rank=rank, world=world)
            for step in loader.epoch(1):
                batch = step.shares[0].batch
                rows |= dict(zip(batch.index.tolist(), flat(batch), strict=True))
            loader.close()
        found.append(torch.stack([rows[index] for index in range(20)]))
    assert torch.equal(*found)


def test_validation_is_not_mixed_and_nothing_changes_without_a_mix():
    data = dataset_data(TensorDataset(torch.rand(50, 1, 8, 8), torch.arange(50) % 5))
    assert Views.plain(data).mix is None
    assert (
        Views(images(), Shift(1), GREY, mix=None).fingerprint()
        == Views(images(), Shift(1), GREY).fingerprint()
    )


def test_facts_and_fingerprints_tell_mixes_apart():
    several = [mixing(name) for name in (*NAMES, "mixup-0.3", "cutmix-0.3")]
    several += [Views(images(), Shift(1), GREY, 3), mixing(indices=torch.arange(19)), mixing(seed=4)]
    assert len({each.fingerprint() for each in several}) == len(several)
    assert len({each.facts()["mix"] for each in several}) == len(several)
    assert mixing(classes=11).facts() == mixing().facts()
    assert mixing(classes=11).fingerprint() != mixing().fingerprint()
    assert mixing(augment=None).facts() != mixing(augment=None, seed=4).facts()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mixup", "needs an alpha, a finite number above 0, behind its kind: 'mixup-0.2'"),
        ("cutmix-0", "needs an alpha"),
        ("mixup--1", "needs an alpha"),
        ("mixup-nan", "needs an alpha"),
        ("cutmix-inf", "needs an alpha"),
        ("cutmix-much", "needs an alpha"),
        ("mixpu-0.2", "No mixing 'mixpu-0.2'; take mixup or cutmix.*Did you mean 'mixup'"),
        ("", "No mixing ''"),
    ],
)
def test_other_names_are_refused(name, says):
    with pytest.raises(LimbeckError, match=says):
        Mix(name, EVERY)


def test_names_with_their_alpha():
    assert [mix_named(name) for name in (*NAMES, "mixup-1e-1")] == [
        ("mixup", 0.2),
        ("cutmix", 1.0),
        ("mixup", 0.1),
    ]


def test_what_cannot_be_mixed_is_refused():
    features = TensorSource(torch.rand(20, 4), torch.arange(20) % 3)
    with pytest.raises(LimbeckError, match=r"boxes out of images, and these are samples of shape \(4,\)"):
        Views(features, mix=Mix("cutmix-1", EVERY, 3)).read(EVERY, EVERY)
    with pytest.raises(LimbeckError, match="say how many classes there are"):
        Views(features, mix=Mix("mixup-1", EVERY)).read(EVERY, EVERY)
    boxed = dataset_data([(torch.rand(1, 4, 4), [1, 2])] * 9, task="other", collate_fn=tuple)
    with pytest.raises(
        LimbeckError, match="Only samples that stack, with a class or a value each, can be mixed"
    ):
        Views(boxed.source, mix=Mix("mixup-1", EVERY))
    sizes = {"teacher": augmentation("resized-crop-flip", (8, 8)), "student": None}
    photos = replace(open_data("digits"), classes=None).source
    with pytest.raises(LimbeckError, match="one box for all roles, but their draws differ in size"):
        Views(Larger(photos), sizes, None, mix=Mix("cutmix-1", EVERY, 10)).read(EVERY, EVERY)


class Larger:
    """Images of 11 × 11."""

    def __init__(self, source):
        self.source, self.targets = source, source.targets

    def __len__(self):
        return len(self.source)

    def read(self, index):
        return torch.nn.functional.pad(self.source.read(index), (0, 3, 0, 3))

    def fingerprint(self):
        return self.source.fingerprint()
