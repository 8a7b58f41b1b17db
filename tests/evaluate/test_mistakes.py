"""What becomes of a teacher's mistakes in its student."""

import pytest
import torch

from laws.samples import random
from limbeck import LimbeckError
from limbeck.evaluate import Mistakes, mistakes

PARTS = ("inherited", "otherwise", "corrected", "new")


def counted(student, teacher, targets, labelled=None):
    """Count sample by sample."""
    found = dict.fromkeys(("samples", "teacher", *PARTS), 0)
    for number, true in enumerate(targets.tolist()):
        if true < 0 or (labelled is not None and not labelled[number]):
            continue
        s, t = (
            max(range(rows.shape[1]), key=rows[number].tolist().__getitem__) for rows in (student, teacher)
        )
        found["samples"] += 1
        if t != true:
            found["teacher"] += 1
            found["corrected" if s == true else "inherited" if s == t else "otherwise"] += 1
        elif s != true:
            found["new"] += 1
    return Mistakes(**found)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_counts_are_those_of_an_independent_count(classes):
    student, teacher = random(1, (200, classes)), random(2, (200, classes))
    targets = torch.arange(200) % classes
    found = mistakes(student, teacher, targets)
    assert found == counted(student, teacher, targets)
    assert found.teacher == found.inherited + found.otherwise + found.corrected
    assert found.student == int((student.argmax(1) != targets).sum())
    if classes == 2:
        assert found.otherwise == 0  # there is only one wrong class


def test_samples_without_label_are_not_counted():
    student, teacher = random(1, (60, 4)), random(2, (60, 4))
    targets = torch.where(torch.arange(60) % 3 == 0, -100, torch.arange(60) % 4)
    labelled = torch.arange(60) % 5 != 0
    assert mistakes(student, teacher, targets) == counted(student, teacher, targets)
    found = mistakes(student, teacher, targets, labelled)
    assert found == counted(student, teacher, targets, labelled)
    assert found.samples == int((labelled & (targets >= 0)).sum())


def test_batches_add_up():
    student, teacher, targets = random(1, (50, 4)), random(2, (50, 4)), torch.arange(50) % 4
    parts = [
        mistakes(*each) for each in zip(student.split(8), teacher.split(8), targets.split(8), strict=True)
    ]
    assert sum(parts, Mistakes()) == mistakes(student, teacher, targets)


def test_frames_count_one_by_one():
    student, teacher, targets = random(1, (5, 6, 4)), random(2, (5, 6, 4)), (torch.arange(30) % 4).view(5, 6)
    flat = mistakes(student.flatten(0, 1), teacher.flatten(0, 1), targets.flatten())
    assert mistakes(student, teacher, targets) == flat


def test_an_undecided_answer_is_a_mistake_that_nobody_inherits():
    nan = torch.full((1, 3), float("nan"))
    right, wrong, target = torch.eye(3)[[0]], torch.eye(3)[[1]], torch.tensor([0])
    assert mistakes(nan, nan, target) == Mistakes(1, 1, otherwise=1)
    assert mistakes(nan, right, target) == Mistakes(1, 0, new=1)
    assert mistakes(right, nan, target) == Mistakes(1, 1, corrected=1)
    assert mistakes(nan, wrong, target) == Mistakes(1, 1, otherwise=1)


def test_shares_are_of_what_could_have_been():
    found = Mistakes(samples=50, teacher=10, inherited=5, otherwise=2, corrected=3, new=4)
    assert {part: found.share(part) for part in PARTS} == {
        "inherited": 0.5, "otherwise": 0.2, "corrected": 0.3, "new": 0.1,
    }  # fmt: skip
    assert found.to_dict() == {
        "samples": 50, "teacher": 10, "student": 11, "inherited": 5, "otherwise": 2, "corrected": 3, "new": 4,
        "shares": {"inherited": 0.5, "otherwise": 0.2, "corrected": 0.3, "new": 0.1},
    }  # fmt: skip


def test_shares_of_nothing_are_unknown():
    perfect, hopeless = Mistakes(samples=5), Mistakes(5, 5, 5)
    assert perfect.share("inherited") is None
    assert perfect.share("new") == 0
    assert hopeless.share("new") is None
    assert mistakes(torch.zeros(0, 3), torch.zeros(0, 3), torch.zeros(0).long()) == Mistakes()


@pytest.mark.parametrize(
    ("student", "teacher", "targets", "message"),
    [
        (torch.zeros(4, 3), torch.zeros(4, 2), torch.zeros(4).long(), "same samples and classes"),
        (torch.zeros(4), torch.zeros(4), torch.zeros(4).long(), "logits"),
        (torch.zeros(4, 3), torch.zeros(4, 3), torch.zeros(3).long(), "targets"),
        (torch.zeros(4, 3), torch.zeros(4, 3), torch.full((4,), 3), "class 3"),
    ],
)
def test_what_does_not_belong_together_is_refused(student, teacher, targets, message):
    with pytest.raises(LimbeckError, match=message):
        mistakes(student, teacher, targets)
