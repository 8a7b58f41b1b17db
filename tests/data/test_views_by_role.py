"""Each role may see draws of its own: weak for the teacher and strong for the student."""

import pickle

import pytest
import torch

from data.test_views import GREY, KEYS, RGB, Scribbles, images, in_batches, loaded, noisy
from limbeck.data import Views, augmentation, dataset_data, open_data, role_seed
from limbeck.errors import LimbeckError

BOTH = ("student", "teacher")


def shift(side=8):
    return augmentation("shift", (side, side))


def test_bits_without_a_mapping_are_those_of_the_role_blind_seed():
    """A mapping of one role with the seed it stands for draws what a plain view draws."""
    by_role = Views(images(), {"student": shift()}, GREY, seed=3).__getitems__(KEYS).inputs["student"]
    plain = Views(images(), shift(), GREY, seed=role_seed(3, "student")).__getitems__(KEYS).inputs
    assert torch.equal(by_role, plain)


@pytest.mark.parametrize("augment", [shift(), augmentation("affine", (8, 8)), noisy])
def test_two_roles_with_the_same_augmentation_draw_independently(augment):
    batch = Views(images(), dict.fromkeys(BOTH, augment), None, seed=1).__getitems__(KEYS)
    student, teacher = batch.inputs_for("student"), batch.inputs_for("teacher")
    assert set(batch.inputs) == set(BOTH)
    assert student.shape == teacher.shape
    differ = (student != teacher).flatten(1).any(1)
    assert differ.float().mean() > 0.5


def test_one_role_does_not_depend_on_the_other():
    """What the teacher sees stays the same whatever the student's augmentation is, so it can be kept."""
    seen = [
        Views(images(), {"student": each, "teacher": shift()}, GREY, seed=5).__getitems__(KEYS)
        for each in (None, noisy, augmentation("trivial", (8, 8)))
    ]
    seen.append(Views(images(), {"teacher": shift(), "student": None}, GREY, seed=5).__getitems__(KEYS))
    for batch in seen[1:]:
        assert torch.equal(batch.inputs["teacher"], seen[0].inputs["teacher"])


def every_kind(write_photos):
    yield Views(images(), {"student": noisy, "teacher": shift()}, GREY, seed=3)
    photos = open_data(f"folder:{write_photos()}", size=16)
    crop = augmentation("resized-crop-flip", photos.canvas)
    mapping = {"student": crop, "teacher": None}
    yield Views(photos.source, mapping, {"student": RGB, "teacher": RGB}, seed=3, canvas=photos.canvas)
    scribbles = dataset_data(Scribbles())
    yield Views(scribbles.source, {"student": shift(), "teacher": None}, GREY, seed=3)


def test_a_view_by_role_does_not_depend_on_batch_order_or_workers(write_photos):
    for views in every_kind(write_photos):
        single = {key: views[key].inputs for key in KEYS}
        for size, workers in ((4, 0), (15, 2)):
            asked = in_batches(KEYS, size, size)
            for role in BOTH:
                found = _of_role(views, asked, workers, role)
                for key in KEYS:
                    assert torch.equal(found[key], single[key][role][0]), (key, role)


def _of_role(views, asked, workers, role):
    class One(Views):
        def __getitems__(self, keys):
            batch = views.__getitems__(keys)
            return type(batch)(batch.inputs[role], batch.targets, batch.index, batch.view)

    return loaded(One(views.source), asked, workers)


def test_a_role_without_augmentation_sees_the_sample_as_it_is():
    source = images()
    batch = Views(source, {"student": noisy, "teacher": None}, GREY).__getitems__(KEYS)
    plain = GREY(source.inputs[[key[0] for key in KEYS]])
    assert torch.equal(batch.inputs["teacher"], plain)
    assert not torch.equal(batch.inputs["student"], plain)
    assert torch.equal(batch.targets, source.targets[[key[0] for key in KEYS]])


def test_each_role_is_fed_its_own_transform_of_its_own_draw():
    views = Views(images(), dict.fromkeys(BOTH, shift()), {"student": GREY, "teacher": RGB}, seed=2)
    drawn = Views(images(), shift(), None, seed=role_seed(2, "teacher")).__getitems__(KEYS).inputs
    assert torch.equal(views.__getitems__(KEYS).inputs["teacher"], RGB(drawn))


def test_a_source_that_draws_while_it_reads_is_read_for_each_role():
    source = dataset_data(Scribbles()).source
    batch = Views(source, dict.fromkeys(BOTH), None, seed=1).__getitems__(KEYS)
    assert not torch.equal(batch.inputs["student"], batch.inputs["teacher"])


def test_files_are_decoded_once_for_all_roles(write_photos):
    photos = open_data(f"folder:{write_photos()}", size=12)
    read, seen = photos.source.read, []
    photos.source.read = lambda index: seen.append(index) or read(index)
    views = Views(photos.source, dict.fromkeys(BOTH, torch.Tensor.zero_), None, canvas=photos.canvas)
    batch = views.__getitems__([(0, 0), (3, 0), (0, 1)])
    assert sorted(seen) == [0, 3]
    assert all(int(each.sum()) == 0 for each in batch.inputs.values())
    plain = Views(photos.source, {"student": torch.Tensor.zero_, "teacher": None}, canvas=photos.canvas)
    assert int(plain.__getitems__([(0, 0)]).inputs["teacher"].sum()) > 0  # a copy was zeroed, not the image


def test_generators_are_left_as_they_were(write_photos):
    for views in every_kind(write_photos):
        before = torch.get_rng_state()
        views.__getitems__(KEYS)
        assert torch.equal(torch.get_rng_state(), before)


def test_role_seed_is_frozen():
    """Kept outputs of a teacher with draws of its own are found by these numbers."""
    assert role_seed(0, "student") == 5830086262624684053
    assert role_seed(7, "teacher") == 18446192663017317897
    assert role_seed(-1, "x") == role_seed(2**64 - 1, "x")


def test_fingerprint_covers_roles_and_their_draws():
    def of(augment):
        return Views(images(), augment, GREY).fingerprint()

    base = {"student": shift(), "teacher": None}
    assert of(base) == of({"teacher": None, "student": shift()})
    others = [
        shift(),
        {"student": shift()},
        {"student": None, "teacher": shift()},
        dict.fromkeys(BOTH, shift()),
    ]
    assert len({of(base), *(of(each) for each in others)}) == 5


def test_views_by_role_can_be_pickled():
    views = Views(images(), dict.fromkeys(BOTH, shift()), GREY, seed=2)
    again = pickle.loads(pickle.dumps(views))
    assert torch.equal(again[(3, 1)].inputs["teacher"], views[(3, 1)].inputs["teacher"])


@pytest.mark.parametrize(
    ("augment", "inputs", "says"),
    [
        ({}, GREY, "at least one role"),
        ({"student": None}, {"student": GREY, "teacher": GREY}, "no augmentation for the role 'teacher'"),
        (
            {"studnet": None},
            {"student": GREY},
            r"role 'student', only for 'studnet'.* Did you mean 'studnet'",
        ),
        (
            {"student": None, "teacher": None},
            {"student": GREY},
            "for the role 'teacher', but no input transform",
        ),
    ],
)
def test_roles_that_do_not_fit_are_refused(augment, inputs, says):
    with pytest.raises(LimbeckError, match=says):
        Views(images(), augment, inputs)
