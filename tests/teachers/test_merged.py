"""Teachers of different classes, merged over the union."""

import math

import pytest
import torch
from torch import nn

from limbeck import Batch, Classification, LimbeckError, Regression, fit, losses
from limbeck.functional import ABSENT
from limbeck.schemes import Offline
from limbeck.teachers import Ensemble, Merged, Teacher, renamed
from limbeck.train import Feed, Plan
from teachers.known import Fixed, batch, frozen

PETS, WILD = ["cat", "dog", "fish"], ["fox", "dog"]
TABLES = [
    2 * torch.randn(6, len(names), generator=torch.Generator().manual_seed(7)) for names in (PETS, WILD)
]


def merged(**settings):
    return Merged([Fixed(each) for each in TABLES], [PETS, WILD], **settings)


def by_loops(row, weights, union):
    """Return p(u) from its definition."""
    total = dict.fromkeys(union, 0.0)
    for weight, names, table in zip(weights, (PETS, WILD), TABLES, strict=True):
        powers = [math.exp(each) for each in table[row].tolist()]
        for name, power in zip(names, powers, strict=True):
            total[name] += weight * power / sum(powers)
    return [total[name] for name in union]


def test_union_is_in_order_of_first_appearance_or_as_told():
    assert merged().union == ("cat", "dog", "fish", "fox")
    told = ("fox", "fish", "dog", "cat")
    teacher = merged(union=told)
    assert teacher.union == told
    found = teacher(batch())["logits"].exp()
    torch.testing.assert_close(found, merged()(batch())["logits"].exp()[:, [3, 2, 1, 0]])


def test_labelled_samples_are_taught_by_those_who_know_the_class():
    targets = [0, 1, 2, 3, 1, 3]
    weights = [(1, 0), (0.5, 0.5), (1, 0), (0, 1), (0.5, 0.5), (0, 1)]
    found = merged()(batch(6, targets))["logits"]
    for row, each in enumerate(weights):
        expected = by_loops(row, each, merged().union)
        torch.testing.assert_close(found[row].exp(), torch.tensor(expected))
        absent = [place for place, value in enumerate(expected) if value == 0]
        assert (found[row, absent] == ABSENT).all()


@pytest.mark.parametrize("temperature", [1, 4, 100])
def test_classes_that_nobody_heard_of_get_no_probability_at_any_temperature(temperature):
    found = merged()(batch(6, [0] * 6))["logits"]
    assert torch.isfinite(found).all()
    assert ((found / temperature).softmax(1)[:, 3] == 0).all()


def test_unlabelled_samples_are_taught_by_all_or_by_the_most_confident():
    everyone = merged()(batch())["logits"].exp()
    loudest = merged(unlabelled="confident")(batch())["logits"].exp()
    chosen = set()
    for row in range(6):
        torch.testing.assert_close(everyone[row], torch.tensor(by_loops(row, (0.5, 0.5), merged().union)))
        tops = [table[row].softmax(0).max().item() for table in TABLES]
        weights = (1, 0) if tops[0] >= tops[1] else (0, 1)
        chosen.add(weights)
        torch.testing.assert_close(loudest[row], torch.tensor(by_loops(row, weights, merged().union)))
    assert len(chosen) == 2  # or the test would not tell one teacher from the other


@pytest.mark.parametrize("unlabelled", ["all", "confident"])
def test_labels_for_some_of_the_batch(unlabelled):
    targets, labelled = [3, 0, 1, 2, 0, 3], [True, False, True, False, False, True]
    mixed = merged(unlabelled=unlabelled)(batch(6, targets, labelled))["logits"]
    known = merged(unlabelled=unlabelled)(batch(6, targets))["logits"]
    unknown = merged(unlabelled=unlabelled)(batch())["logits"]
    expected = torch.where(torch.tensor(labelled)[:, None], known, unknown)
    assert torch.equal(mixed, expected)


@pytest.mark.parametrize("targets", [None, [0, 1, 2, 0, 1, 2]])
def test_equal_classes_equal_an_ensemble_exactly(targets):
    teachers = [frozen(seed=seed) for seed in range(3)]
    found = Merged(teachers, [PETS] * 3)(batch(6, targets))["logits"]
    assert torch.equal(found, Ensemble(teachers)(batch())["logits"])


def test_of_one_equals_it_to_the_bit():
    assert torch.equal(Merged([frozen()], [PETS])(batch())["logits"], frozen()(batch())["logits"])


def test_equal_classes_in_another_order_equal_the_ensemble_of_the_same_classes():
    found = Merged([Fixed(TABLES[0]), Fixed(TABLES[0][:, [2, 0, 1]])], [PETS, ["fish", "cat", "dog"]])(
        batch()
    )
    torch.testing.assert_close(found["logits"], TABLES[0].log_softmax(1))


def test_disjoint_classes():
    teacher = Merged([Fixed(each) for each in TABLES], [PETS, ["fox", "wolf"]])
    found = teacher(batch(6, [0, 1, 2, 3, 4, 3]))["logits"].exp()
    for row in range(3):
        torch.testing.assert_close(found[row], torch.cat([TABLES[0][row].softmax(0), torch.zeros(2)]))
        torch.testing.assert_close(found[row + 3], torch.cat([torch.zeros(3), TABLES[1][row + 3].softmax(0)]))


def test_each_teacher_sees_the_labels_in_its_own_numbers():
    members = [Fixed(each) for each in TABLES]
    Merged(members, [PETS, WILD])(batch(6, [0, 1, 2, 3, 0, 1], [True] * 5 + [False]))
    seen = [Classification().labels(each.batches[0]).tolist() for each in members]
    assert seen == [[0, 1, 2, -100, 0, -100], [-100, 1, -100, 0, -100, -100]]


def test_an_oracle_within_hears_who_is_right():
    right, wrong = torch.tensor([[0.0, 5.0]]), torch.tensor([[5.0, 0.0]])
    oracle = Ensemble([Fixed(wrong), Fixed(right)], "oracle")
    teacher = Merged([Fixed(TABLES[0]), oracle], [PETS, ["fox", "wolf"]])
    found = teacher(batch(1, [4]))["logits"].exp()
    torch.testing.assert_close(found[0, 3:], right[0].softmax(0))


def test_layers_are_its_teachers_and_every_sample_asked_counts():
    teachers = [frozen(3), frozen(2, seed=1)]
    teacher = Merged(teachers, [PETS, WILD])
    found = teacher(batch(), None, ["2/0", "1/logits"])
    assert torch.equal(found["2/0"], teachers[1](batch(), None, ["0"])["0"])
    assert torch.equal(found["1/logits"], teachers[0](batch())["logits"])
    assert teacher.forwards == 12
    assert isinstance(teacher, Teacher)


def test_teachers_read_inputs_of_their_own():
    rows = torch.randn(4, 4)
    inputs = {"teacher 1": rows, "teacher 2": -rows, "student": torch.zeros(4, 2)}
    teachers = [frozen(3, role="teacher 1"), frozen(2, role="teacher 2")]
    found = Merged(teachers, [PETS, WILD])(Batch(inputs, torch.tensor([3, 3, 0, 0])))["logits"].exp()
    expected = teachers[1](Batch(inputs))["logits"].softmax(1)
    torch.testing.assert_close(found[:2, [3, 1]], expected[:2])


def test_teaches_a_student_of_the_union():
    student = nn.Linear(4, 4)
    teacher = Merged([frozen(3), frozen(2, seed=1)], [PETS, WILD])
    pairs = [(torch.randn(4), index % 4) for index in range(16)]
    scheme = Offline(student, teacher, [losses.KD(temperature=4)])
    run = fit(scheme, Feed.of(pairs, pairs), Plan(epochs=2, batch_size=8))
    assert all(math.isfinite(row["loss"]) for row in run.history)


def test_fingerprint_tells_teachers_names_and_order():
    made = [
        Merged([frozen(), frozen(2)], [PETS, WILD]),
        Merged([frozen(), frozen(2, 1)], [PETS, WILD]),
        Merged([frozen(), frozen(2)], [PETS, WILD], unlabelled="confident"),
        Merged([frozen(), frozen(2)], [PETS, ["dog", "fox"]]),
        Merged([frozen(), frozen(2)], [PETS, WILD], union=["dog", "cat", "fox", "fish"]),
    ]
    assert len({each.fingerprint() for each in made}) == 5
    assert Merged([frozen(), frozen(2)], [PETS, WILD]).fingerprint() == made[0].fingerprint()


@pytest.mark.parametrize(
    ("make", "about"),
    [
        (lambda: Merged([frozen()], [["cat", "dog", "cat"]]), "'cat' stands twice"),
        (lambda: Merged([frozen()], ["cat"]), "list of texts"),
        (lambda: Merged([frozen()], [[]]), "empty"),
        (lambda: Merged([frozen(), frozen()], [PETS]), "each of its 2 teachers"),
        (
            lambda: merged(union=["cat", "dog", "fish", "fix"]),
            "'fox' is not in the union. Did you mean 'fix'",
        ),
        (lambda: merged(union=["cat", "dog", "fish", "fox", "owl"]), "No teacher knows 'owl'"),
        (lambda: merged(union=["cat", "dog", "fish", "fox", "cat"]), "twice"),
        (lambda: merged(unlabelled="none"), "confident"),
        (lambda: Merged([], []), "at least one"),
        (lambda: Merged([frozen(4)], [PETS])(batch()), "3 class names"),
        (lambda: merged()(batch(2, [0, 4])), r"target 4.* 3 \(fox\)"),
        (lambda: merged()(batch(2, [0, -1])), "target -1"),
        (lambda: merged()(batch(2, [0.0, 1.0])), "class indices"),
        (lambda: merged()(batch(), Regression()), "regression"),
        (lambda: merged()(batch(), None, ["0"]), "'1/0'"),
    ],
)
def test_refuses(make, about):
    with pytest.raises(LimbeckError, match=about):
        make()


def test_targets_of_unlabelled_samples_are_not_looked_at():
    found = merged()(batch(2, [0, 99], [True, False]))["logits"]
    assert torch.isfinite(found).all()


def test_names_are_brought_to_the_union():
    assert renamed(["a", "b"], {"b": "B"}, prefix="first ") == ("first a", "B")
    assert Merged(
        [frozen(2), frozen(2)], [renamed(["0", "1"], prefix="digit "), renamed(["0", "1"], prefix="article ")]
    ).union == ("digit 0", "digit 1", "article 0", "article 1")


@pytest.mark.parametrize(
    ("names", "mapping", "about"),
    [
        (["cat", "dog"], {"cet": "Cat"}, "Did you mean 'cat'"),
        (["cat", "dog"], {"cat": "pet", "dog": "pet"}, "'cat' and 'dog' of one teacher"),
        (["cat", "cat"], None, "twice"),
    ],
)
def test_names_that_cannot_be_brought_are_refused(names, mapping, about):
    with pytest.raises(LimbeckError, match=about):
        renamed(names, mapping)
