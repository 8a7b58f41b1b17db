"""What decides what a role reads, told in words: all of it, and nothing else."""

import pytest
import torch

from data.test_views import GREY, RGB, Scribbles, images, noisy
from limbeck.data import Shift, Views, augmentation, dataset_data
from limbeck.errors import LimbeckError

SHIFT = Shift(1)
CANVAS = (8, 8)


def keep(image):
    return image


def facts(augment=SHIFT, inputs=GREY, seed=0, canvas=CANVAS, roles=("teacher",), source=None):
    return Views(source or images(), augment, inputs, seed, canvas).facts(roles)


def test_they_are_readable():
    found = facts(seed=3)
    assert found.pop("data") == images().fingerprint()
    assert found.pop("inputs").startswith("any size grey, mean 0.5, std 0.25 (")
    assert found == {
        "augmentation": "Shift(padding=1, flip=False)",
        "view seed": "3",
        "mix": "none",
        "canvas": "8×8",
    }


def test_the_students_transform_and_draws_do_not_matter_to_the_teacher():
    same = [
        facts(),
        facts(inputs={"teacher": GREY, "student": RGB}),
        facts(inputs={"student": GREY, "teacher": GREY}),
    ]
    assert all(each == same[0] for each in same)
    own = [
        facts({"teacher": SHIFT, "student": each}, {"teacher": GREY, "student": other})
        for each, other in ((None, GREY), (noisy, GREY), (SHIFT, RGB))
    ]
    assert all(each == own[0] for each in own)
    assert own[0]["view seed"] == "0, teacher's own"


def test_whatever_changes_the_tensors_changes_a_fact():
    scribbles = dataset_data(Scribbles()).source
    several = [
        facts(),
        facts(source=images(19)),
        facts(None),
        facts(Shift(2)),
        facts(Shift(1, flip=True)),
        facts(augmentation("affine", CANVAS)),
        facts(augmentation("trivial", CANVAS)),
        facts(augmentation("resized-crop-flip", CANVAS)),
        facts(augmentation("resized-crop-flip", (6, 6))),
        facts(noisy),
        facts(keep),
        facts(inputs=RGB),
        facts(inputs=None),
        facts(inputs={"teacher": RGB, "student": GREY}, roles=("teacher", "student")),
        facts(seed=1),
        facts(canvas=None),
        facts(canvas=(6, 6)),
        facts({"teacher": SHIFT}),
        facts({"teacher-2": SHIFT}, roles=("teacher-2",)),
        facts(source=scribbles),
        facts(source=scribbles, augment=None),
        facts(source=scribbles, augment=None, seed=1),
    ]
    assert all(isinstance(value, str) for each in several for value in each.values())
    assert len({tuple(sorted(each.items())) for each in several}) == len(several)


def test_where_nothing_is_drawn_the_seed_does_not_matter():
    assert facts(None) == facts(None, seed=5) == facts({"teacher": None}, seed=9)


def test_all_roles_unless_told():
    both = {"teacher": GREY, "student": RGB}
    assert facts(inputs=both, roles=()) == facts(inputs=both, roles=("student", "teacher"))
    assert facts(roles=()) == facts()


@pytest.mark.parametrize("given", [{"inputs": {"teacher": GREY}}, {"augment": {"teacher": SHIFT}}])
def test_a_role_that_reads_nothing_is_refused(given):
    with pytest.raises(
        LimbeckError, match=r"for the role 'techer', only for 'teacher'.*Did you mean 'teacher'"
    ):
        facts(**given, roles=["techer"])


def test_equal_facts_are_equal_tensors():
    """The teacher's inputs beside one student and another, drawn together or apart."""
    read = [
        Views(images(), SHIFT, {"teacher": GREY, "student": each}, 4).read(torch.arange(9), torch.arange(9))
        for each in (RGB, GREY)
    ]
    assert torch.equal(*(each.inputs_for("teacher") for each in read))
