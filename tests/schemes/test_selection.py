"""Some samples of a batch."""

import pytest
import torch
from torch import nn

from limbeck import Batch, LimbeckError, Term, losses
from limbeck.schemes.selection import (
    Counts,
    fair,
    nothing,
    selected_batch,
    selected_outputs,
    selected_targets,
)
from limbeck.types import Outputs

ROWS = torch.tensor([3, 1])


def test_every_field_of_a_batch_is_selected():
    whole = Batch(
        {"student": torch.arange(8).view(4, 2), "teacher": {"ids": torch.arange(4)}},
        torch.arange(4) + 10,
        torch.arange(4) + 20,
        torch.arange(4) + 30,
        torch.tensor([True, False, True, True]),
    )
    found = selected_batch(whole, ROWS)
    assert found.inputs["student"].tolist() == [[6, 7], [2, 3]]
    assert found.inputs["teacher"]["ids"].tolist() == [3, 1]
    assert [each.tolist() for each in (found.targets, found.index, found.view)] == [
        [13, 11],
        [23, 21],
        [33, 31],
    ]
    assert found.labelled.tolist() == [True, False]
    assert len(found) == 2
    bare = selected_batch(Batch(torch.eye(4)), ROWS)
    assert (bare.targets, bare.index, bare.view, bare.labelled) == (None, None, None, None)


def test_targets_that_are_one_item_a_sample_are_selected_by_item():
    boxes = [torch.zeros(number, 4) for number in range(4)]
    assert [len(each) for each in selected_targets(boxes, ROWS)] == [3, 1]


def test_pyramids_are_selected_level_by_level():
    levels = (torch.arange(4), torch.arange(8).view(4, 2))
    found = selected_outputs(Outputs(maps=levels, aside=torch.zeros(())), ["maps"], ROWS, 4)
    assert list(found) == ["maps"]
    assert [each.tolist() for each in found["maps"]] == [[3, 1], [[6, 7], [2, 3]]]


@pytest.mark.parametrize("value", [torch.zeros(8, 2), torch.zeros(()), (torch.zeros(4), torch.zeros(2))])
def test_outputs_without_a_row_for_each_sample_are_refused(value):
    with pytest.raises(LimbeckError, match="'0' gives"):
        selected_outputs(Outputs({"0": value}), ["0"], ROWS, 4)


def test_nothing_reaches_all_that_the_term_would_have_trained():
    adapter, x = nn.Linear(2, 3), torch.full((4, 2), float("nan"), requires_grad=True)
    term = Term(losses.LogitRegression(), "0", "0", adapter=adapter)
    value = nothing(term, Outputs({"0": x}))
    value.backward()
    assert value.item() == 0
    for each in (x, *adapter.parameters()):
        assert torch.equal(each.grad, torch.zeros_like(each))


def test_fair_parts_of_unequal_processes_add_up_to_the_mean():
    """Means over labelled samples in two processes, averaged by their samples, are the mean over all labelled ones."""
    one, other = [1.0, 2.0], [5.0]  # losses of labelled samples, out of 5 and 3
    counts = [Counts(5, 2, 0, 0), Counts(3, 1, 0, 0)]
    whole = Counts(8, 3, 0, 0)
    total = sum(
        here.samples
        / whole.samples
        * fair(here.labelled, here, whole.labelled, whole)
        * sum(rows)
        / len(rows)
        for here, rows in zip(counts, (one, other), strict=True)
    )
    assert total == pytest.approx(sum(one + other) / 3)
    assert fair(0, counts[0], 0, Counts(8, 0, 0, 0)) == 0
