"""Inputs that nobody reads are not made, and what the others read stays the same."""

from dataclasses import replace

import pytest
import torch

from data.test_mixture import mixture
from data.test_views import GREY, RGB, images, noisy
from limbeck.data import Shift, Views
from limbeck.data.loader import Loader, Part
from limbeck.errors import LimbeckError

BOTH = {"teacher": RGB, "student": GREY}
INDEX, VIEW = torch.tensor([3, 1, 3]), torch.tensor([0, 2, 1])


class Counted:
    """A transform that says how often it was asked."""

    def __init__(self):
        self.calls = 0

    def __call__(self, samples):
        self.calls += 1
        return samples.float() * 2


@pytest.mark.parametrize("augment", [Shift(1), {"teacher": noisy, "student": Shift(1)}])
def test_the_others_read_what_they_would(augment):
    views = Views(images(), augment, BOTH, seed=2)
    whole, rest = views.read(INDEX, VIEW), views.read(INDEX, VIEW, ["teacher", "teacher-2"])
    assert set(rest.inputs) == {"student"}
    assert torch.equal(rest.inputs_for("student"), whole.inputs_for("student"))
    assert torch.equal(rest.targets, whole.targets)
    assert torch.equal(rest.view, whole.view)


def test_what_is_shared_is_made_for_the_others():
    for inputs in (GREY, {"teacher": GREY, "student": GREY}):
        views = Views(images(), Shift(1), inputs)
        assert torch.equal(views.read(INDEX, VIEW, ["teacher"]).inputs, views.read(INDEX, VIEW).inputs)


def test_nobody_left_is_refused():
    for augment in (None, {"teacher": None, "student": None}):
        with pytest.raises(LimbeckError, match=r"Every role is spared \('teacher', 'student'\)"):
            Views(images(), augment, BOTH).read(INDEX, VIEW, ["student", "teacher"])


def test_from_an_epoch_on():
    counted = Counted()
    views = Views(images(), Shift(1), {"teacher": counted, "student": GREY})
    part = Part(views, torch.arange(20), spared=("teacher",), spared_from=2)
    loader = Loader(part, 10)
    for epoch, calls in enumerate((2, 4, 4, 4)):
        for step in loader.epoch(epoch):
            assert ("teacher" in step.shares[0].batch.inputs) == (epoch < 2)
        assert counted.calls == calls
    assert part.fingerprint() == replace(part, spared=()).fingerprint()


@pytest.mark.parametrize("workers", [0, 2])
def test_through_workers_and_processes_and_in_mixtures(workers):
    plain = mixture(20, 60, 3)
    plain = replace(plain, views=Views(plain.views.source, Shift(2), BOTH, seed=1))
    for part in (plain, Part(plain.views, torch.arange(40))):
        sparing = replace(part, spared=("teacher",), spared_from=1)
        whole, rest = (Loader(each, 16, workers=workers, rank=1, world=2) for each in (part, sparing))
        for epoch in (0, 1):
            steps = zip(whole.epoch(epoch), rest.epoch(epoch), strict=True)
            for one, other in ((first.shares[0].batch, second.shares[0].batch) for first, second in steps):
                assert ("teacher" in other.inputs) == (epoch == 0)
                assert torch.equal(one.inputs["student"], other.inputs["student"])
        whole.close()
        rest.close()
