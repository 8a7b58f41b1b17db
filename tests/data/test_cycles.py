"""Views that come again after so many epochs, in orders of their own."""

import pytest
import torch

from data.test_mixture import mixture, views
from limbeck.data import TensorSource, Views
from limbeck.data.loader import Loader, Part
from limbeck.data.mixture import Repeated
from limbeck.data.part import Batching
from limbeck.errors import LimbeckError


def part(cycle=None, count=23):
    return Part(views(count, 0, seed=4), torch.arange(count), cycle)


def pairs(part, epoch, **options):
    found = [batch for step in part.steps(epoch, Batching(8, **options)) for batch in step]
    index, view = (torch.cat([getattr(each, name) for each in found]) for name in ("index", "view"))
    return list(zip(index.tolist(), view.tolist(), strict=True))


def test_later_epochs_show_the_first_views_in_new_orders():
    cycled, endless = part(cycle=3), part()
    for epoch in range(7):
        found = pairs(cycled, epoch)
        assert {view for _, view in found} == {epoch % 3}
        assert [index for index, _ in found] == [index for index, _ in pairs(endless, epoch)]
    assert pairs(cycled, 0) != pairs(cycled, 3)
    assert sorted(pairs(cycled, 0)) == sorted(pairs(cycled, 3))


def test_the_first_epochs_of_a_cycle_are_those_without_one():
    for cycled, endless in ((part(5), part()), (mixture(), mixture())):
        for epoch in range(2):
            assert pairs(cycled, epoch) == pairs(endless, epoch)


def test_passes_of_a_mixture_and_of_its_labelled_samples_cycle():
    endless = mixture(12, 180, 3)  # the labelled are passed five times an epoch
    cycled = type(endless)(endless.views, endless.labelled, endless.unlabelled, endless.ratio, cycle=4)
    alone = Repeated(endless.views, endless.labelled, endless)
    again = Repeated(endless.views, endless.labelled, endless, cycle=4)
    for with_cycle, without in ((cycled, endless), (again, alone)):
        for epoch in range(6):
            assert pairs(with_cycle, epoch) == [(index, view % 4) for index, view in pairs(without, epoch)]


def test_a_cycle_is_in_the_fingerprint_and_none_changes_none():
    plain = mixture()
    several = [
        part(),
        part(1),
        part(4),
        plain,
        type(plain)(plain.views, plain.labelled, plain.unlabelled, 3.0, 4),
    ]
    several += [Repeated(plain.views, plain.labelled, plain), Repeated(plain.views, plain.labelled, plain, 4)]
    assert len({each.fingerprint() for each in several}) == len(several)
    fixed = Part(Views(TensorSource(torch.zeros(2, 1), torch.zeros(2))), torch.arange(2))
    # as it was before there were cycles: a run of then can be resumed
    assert fixed.fingerprint() == "cddc26138437f168385981fb56b7d611b71c8be218bc2862fdf24bfe5f683dff"


@pytest.mark.parametrize("workers", [0, 2])
def test_epochs_of_one_view_read_the_same_tensors(workers):
    loader = Loader(part(cycle=2), 8, seed=1, workers=workers)
    seen = []
    for epoch in (1, 3):
        batches = [step.shares[0].batch for step in loader.epoch(epoch)]
        rows = {int(i): each for batch in batches for i, each in zip(batch.index, batch.inputs, strict=True)}
        seen.append(torch.stack([rows[index] for index in range(23)]))
    loader.close()
    assert torch.equal(*seen)


@pytest.mark.parametrize("cycle", [0, -1, True, 1.5])
def test_cycles_that_are_none_are_refused(cycle):
    plain = mixture()
    for made in (
        lambda: part(cycle),
        lambda: type(plain)(plain.views, plain.labelled, plain.unlabelled, 3.0, cycle),
        lambda: Repeated(plain.views, plain.labelled, plain, cycle),
    ):
        with pytest.raises(LimbeckError, match=r"A cycle of views is a whole number of at least 1, not"):
            made()
