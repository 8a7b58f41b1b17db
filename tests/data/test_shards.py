"""Private data dealt out to many teachers."""

from collections import Counter

import pytest
import torch

from limbeck import LimbeckError
from limbeck.data import shards

INDICES = torch.arange(100, 200)
TARGETS = torch.arange(250) % 7 // 2  # classes of 2/7, 2/7, 2/7 and 1/7


def owner(parts):
    return {index: number for number, part in enumerate(parts) for index in part.tolist()}


@pytest.mark.parametrize("targets", [TARGETS, None], ids=["by class", "blind"])
@pytest.mark.parametrize("count", [2, 7, 12])
def test_every_record_lies_in_one_shard_and_shards_are_of_a_size(targets, count):
    parts = shards(INDICES, targets, count, seed=3)
    assert len(parts) == count
    assert torch.equal(torch.cat(parts).sort().values, INDICES)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert all(torch.equal(part, part.sort().values) for part in parts)


def test_every_shard_has_each_class_in_its_share():
    counts = [Counter(TARGETS[part].tolist()) for part in shards(INDICES, TARGETS, 5, seed=0)]
    for label in range(4):
        found = [each[label] for each in counts]
        assert min(found) > 0
        assert max(found) - min(found) <= 1


def test_the_seed_decides():
    assert owner(shards(INDICES, TARGETS, 5, 0)) == owner(shards(INDICES, TARGETS, 5, 0))
    assert owner(shards(INDICES, TARGETS, 5, 0)) != owner(shards(INDICES, TARGETS, 5, 1))


def test_dealt_by_class_one_record_moves_others_and_dealt_blindly_it_moves_nobody():
    """Why votes on shards by class do not hide a record's class."""
    other = TARGETS.clone()
    other[100] = (other[100] + 1) % 4
    before, after = owner(shards(INDICES, TARGETS, 5, 0)), owner(shards(INDICES, other, 5, 0))
    assert sum(before[index] != after[index] for index in before if index != 100) > 0
    assert owner(shards(INDICES, None, 5, 0)) == owner(shards(INDICES.clone(), None, 5, 0))


@pytest.mark.parametrize(
    ("indices", "targets", "count", "message"),
    [
        (INDICES, TARGETS, 1, "2 teachers or more"),
        (INDICES, None, 101, "100 private records are too few for 101 teachers: take 100 teachers at most"),
        (INDICES, TARGETS, 20, "14 private records of one class are too few for 20 teachers"),
        (torch.tensor([1, 2, 2]), None, 2, "given twice"),
        (torch.empty(0, dtype=torch.int64), TARGETS, 2, "0 private"),
        (INDICES, TARGETS, 2.5, "whole number"),
    ],
)
def test_what_cannot_be_dealt_is_refused(indices, targets, count, message):
    with pytest.raises(LimbeckError, match=message):
        shards(indices, targets, count, seed=0)
