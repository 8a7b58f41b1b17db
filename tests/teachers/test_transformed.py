"""One teacher, asked about several transforms of each sample."""

import math

import pytest
import torch
from torch import nn

from limbeck import Batch, Classification, Frozen, LimbeckError, Regression, fit, losses
from limbeck.schemes import Offline
from limbeck.teachers import Ensemble, Teacher, Transformed
from limbeck.teachers.geometry import flipped, scaled, shifted, transforms_named
from limbeck.train import Feed, Plan
from teachers.known import frozen


def net(outputs=3, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, outputs))


def images(rows=5):
    return torch.randn(rows, 3, 4, 4, generator=torch.Generator().manual_seed(3))


def test_averages_the_probabilities_of_every_transform():
    model, given = net(), images()
    found = Transformed(Frozen(model), ["identity", "flip", "shift-1"])(Batch(given))["logits"]
    seen = [
        given,
        given[..., [3, 2, 1, 0]],
        given[..., [0, 0, 1, 2]],
        given[..., [1, 2, 3, 3]],
        given[..., [0, 0, 1, 2], :],
        given[..., [1, 2, 3, 3], :],
    ]
    expected = sum(model(each).softmax(1) for each in seen) / 6
    torch.testing.assert_close(found.exp(), expected)


def test_counts_every_pass():
    teacher = Transformed(
        Ensemble([Frozen(net()), Frozen(net(seed=1))]), ["identity", "shift-2", "scale-0.9"]
    )
    teacher(Batch(images()))
    assert teacher.forwards == 5 * 6 * 2
    assert isinstance(teacher, Teacher)


def test_identity_alone_is_the_teacher_to_the_bit():
    teacher = Frozen(net())
    assert torch.equal(
        Transformed(teacher, ["identity"])(Batch(images()))["logits"], teacher(Batch(images()))["logits"]
    )


def test_transforms_of_ones_own():
    model, given = net(), images()
    found = Transformed(Frozen(model), [lambda x: -x, lambda x: 2 * x])(Batch(given))["logits"].exp()
    torch.testing.assert_close(found, (model(-given).softmax(1) + model(2 * given).softmax(1)) / 2)


def test_regression_averages_values():
    model, given, task = net(1), images(), Regression(mean=1.0, std=2.0)
    found = Transformed(Frozen(model), ["identity", "flip"])(Batch(given), task)["value"]
    expected = (model(given) + model(given.flip(-1))).flatten() / 2
    torch.testing.assert_close(found, (expected - 1) / 2)


def test_only_the_teachers_inputs_are_transformed():
    seen = []

    class Watching:
        role, forwards = "teacher", 0

        def __call__(self, batch, task=None, names=()):
            seen.append(batch)
            return Frozen(net())(batch)

    inputs = {"teacher": images(), "student": torch.zeros(5, 2)}
    batch = Batch(inputs, torch.zeros(5, dtype=torch.int64), torch.arange(5), torch.arange(5))
    Transformed(Watching(), ["identity", "flip"])(batch)
    assert seen[0] is batch
    assert torch.equal(seen[1].inputs["teacher"], images().flip(-1))
    assert seen[1].inputs["student"] is inputs["student"]
    assert seen[1].index is None  # what was kept of the sample must not stand for its transform
    assert torch.equal(seen[1].targets, batch.targets)


def test_several_teachers_with_inputs_of_their_own():
    given = images()
    members = [Frozen(net(), role="teacher 1"), Frozen(net(seed=1), role="teacher 2")]
    batch = Batch({"teacher 1": given, "teacher 2": -given})
    found = Transformed(Ensemble(members), ["flip"])(batch)["logits"]
    turned = Batch({"teacher 1": given.flip(-1), "teacher 2": -given.flip(-1)})
    assert torch.equal(found, Ensemble(members)(turned)["logits"])


def test_layers_are_those_of_the_sample_as_it_is():
    teacher = Frozen(net())
    found = Transformed(teacher, ["flip", "identity"])(Batch(images()), Classification(), ["1"])
    assert torch.equal(found["1"], teacher(Batch(images()), None, ["1"])["1"])
    with pytest.raises(LimbeckError, match="'identity'"):
        Transformed(teacher, ["flip"])(Batch(images()), Classification(), ["1"])


def test_teaches_in_a_scheme():
    pairs = [(each, index % 3) for index, each in enumerate(images(16))]
    scheme = Offline(net(seed=2), Transformed(Frozen(net()), ["identity", "scale-0.9"]), [losses.KD()])
    run = fit(scheme, Feed.of(pairs, pairs), Plan(epochs=2, batch_size=8))
    assert all(math.isfinite(row["loss"]) for row in run.history)


def test_fingerprint_tells_teacher_and_transforms():
    def double(inputs):
        return 2 * inputs

    made = [
        Transformed(Frozen(net()), ["identity", "flip"]),
        Transformed(Frozen(net(seed=1)), ["identity", "flip"]),
        Transformed(Frozen(net()), ["identity", "shift-1"]),
        Transformed(Frozen(net()), ["identity", double]),
    ]
    assert len({each.fingerprint() for each in made}) == 4
    assert Transformed(Frozen(net()), ["identity", "flip"]).fingerprint() == made[0].fingerprint()


@pytest.mark.parametrize(("height", "width"), [(8, 8), (5, 9), (1, 3)])
@pytest.mark.parametrize("factor", [0.5, 0.9, 1.0, 1.3, 3.0])
def test_scaling_keeps_the_frame_and_what_is_even(height, width, factor):
    even = torch.full((2, 1, height, width), 0.7)
    torch.testing.assert_close(scaled(even, factor), even)


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("factor", [0.8, 0.9, 1.25])
def test_scaling_is_about_the_centre_and_of_that_factor(size, factor):
    ramp = torch.arange(float(size)).expand(1, 1, size, size)
    found, centre = scaled(ramp, factor)[0, 0, 0], (size - 1) / 2
    expected = centre + (torch.arange(float(size)) - centre) / factor
    torch.testing.assert_close(found, expected.clamp(0, size - 1))


def test_scale_of_one_changes_nothing():
    torch.testing.assert_close(scaled(images(), 1.0), images())


def test_shifts_undo_each_other_within():
    given = images()
    back = shifted(shifted(given, right=1, down=-1), right=-1, down=1)
    assert torch.equal(back[..., 1:, :-1], given[..., 1:, :-1])
    assert torch.equal(flipped(flipped(given)), given)


@pytest.mark.parametrize(
    ("name", "about"),
    [
        ("flop", "Did you mean 'flip'"),
        ("shift-0", "whole pixels"),
        ("shift-1.5", "whole pixels"),
        ("scale-0", "scale-0.9"),
        ("scale-100", "below 10"),
        ("rotate-90", "No transform"),
    ],
)
def test_unknown_transforms_are_refused(name, about):
    with pytest.raises(LimbeckError, match=about):
        transforms_named(name)


@pytest.mark.parametrize(
    ("make", "about"),
    [
        (lambda: Transformed(net(), ["flip"]), "Frozen"),
        (lambda: Transformed(Frozen(net()), []), "list"),
        (lambda: Transformed(Frozen(net()), "flip"), "list"),
        (lambda: Transformed(Frozen(net()), ["flip", "flip"]), "twice"),
        (lambda: Transformed(Frozen(net()), [3]), "name such as"),
        (lambda: Transformed(frozen(), ["flip"])(Batch(torch.zeros(2, 4))), "images"),
        (lambda: Transformed(Frozen(net()), ["shift-4"])(Batch(images())), "cannot be shifted"),
        (lambda: Transformed(Frozen(net()), [lambda x: x[:1]])(Batch(images())), "1 samples of 5"),
    ],
)
def test_refuses(make, about):
    with pytest.raises(LimbeckError, match=about):
        make()
