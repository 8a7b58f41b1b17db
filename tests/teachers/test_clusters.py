"""Classes that are confused go together."""

import pytest
import torch

from limbeck import LimbeckError
from limbeck.teachers import Clusters, confused_classes


def family_logits(families=4, each=3, rows=400, doubt=1.5):
    """Return logits of a generalist that wavers within a family of classes, never across."""
    drawn = torch.Generator().manual_seed(0)
    home = torch.randn(families, 8, generator=drawn) * 3
    prototypes = home.repeat_interleave(each, 0) + torch.randn(families * each, 8, generator=drawn)
    truth = torch.randint(families * each, (rows,), generator=drawn)
    inputs = prototypes[truth] + doubt * torch.randn(rows, 8, generator=drawn)
    return -torch.cdist(inputs, prototypes).square() / (2 * doubt**2)


FAMILIES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11))


def test_finds_the_families():
    assert confused_classes(family_logits(), clusters=4) == Clusters(FAMILIES)


def test_is_the_same_for_every_order_of_samples_and_each_time():
    logits = family_logits()
    assert confused_classes(logits.flip(0), 4) == confused_classes(logits, 4) == confused_classes(logits, 4)


def test_sharp_predictions_need_a_temperature():
    sharp = family_logits(doubt=0.6)
    assert confused_classes(sharp, 4).groups == FAMILIES
    assert confused_classes(sharp, 4, temperature=1).groups != FAMILIES


def test_classes_that_are_confused_with_nothing_are_told():
    logits = torch.cat([family_logits(2, 3, 200), 400 * torch.ones(200, 1)], 1)
    logits[:100, 6] = -400.0  # a class that is sure or out of the question
    found = confused_classes(logits, clusters=3)
    assert found.alone == (6,)
    assert "confused with nothing: 6" in found.describe()
    assert "specialist 1: a" in found.describe(list("abcdefg"))


def test_groups_of_a_set_size_overlap():
    logits = family_logits()
    found = confused_classes(logits, 4, classes_each=5)
    assert all(len(group) == 5 for group in found.groups)
    assert all(set(family) <= set(group) for family, group in zip(FAMILIES, found.groups, strict=True))
    covering = torch.zeros(12)
    for group in found.groups:
        covering[list(group)] += 1
    assert covering.max() > 1
    assert all(len(group) == 2 for group in confused_classes(logits, 4, classes_each=2).groups)


@pytest.mark.parametrize("classes_each", [2, 4, 6, 8])
def test_takes_the_classes_of_the_largest_mean_covariance(classes_each):
    logits = family_logits()
    p = (logits.double() / 10).softmax(1)
    centred = p - p.mean(0)
    covariance = centred.T @ centred / (len(p) - 1)
    found = confused_classes(logits, 4, classes_each).groups
    for family, group in zip(FAMILIES, found, strict=True):
        mean = [sum(covariance[c, s].item() for s in family) / 3 for c in range(12)]
        expected = sorted(range(12), key=lambda c: -mean[c])[:classes_each]
        assert list(group) == sorted(expected)


def test_works_in_half_precision_and_on_models_that_hardly_waver():
    assert confused_classes(family_logits().bfloat16(), 4).groups == FAMILIES
    assert confused_classes(family_logits() * 0.01, 4).groups == FAMILIES


@pytest.mark.parametrize(
    ("call", "about"),
    [
        (lambda logits: confused_classes(logits[0], 2), "two samples"),
        (lambda logits: confused_classes(logits[:1], 2), "two samples"),
        (lambda logits: confused_classes(logits, 1), "at least 2"),
        (lambda logits: confused_classes(logits, 12), "fewer"),
        (lambda logits: confused_classes(logits, 4, classes_each=12), "dustbin"),
        (lambda logits: confused_classes(logits, 4, classes_each=1), "at least 2"),
        (lambda logits: confused_classes(logits, 4, temperature=0), "temperature"),
        (lambda logits: confused_classes(torch.zeros(9, 5), 2), "tell only 1 groups"),
    ],
)
def test_refuses(call, about):
    with pytest.raises(LimbeckError, match=about):
        call(family_logits())
