"""Output biases for classes that the transfer set lacked."""

import json

import pytest
import torch

from laws.samples import random
from limbeck import LimbeckError
from limbeck.evaluate import bias_shift


def sample(seed, rows=60, classes=5, low=(1, 3), by=2.0):
    """Return logits that are right more often than not, but too low for some classes."""
    targets = torch.arange(rows) % classes
    logits = random(seed, (rows, classes)) + 2.0 * torch.eye(classes)[targets]
    logits[:, list(low)] -= by
    return logits, targets


def accuracy(logits, targets):
    return (logits.argmax(1) == targets).double().mean().item()


def balanced(logits, targets):
    right = (logits.argmax(1) == targets).double()
    return torch.stack([right[targets == one].mean() for one in targets.unique()]).mean().item()


def moved(logits, classes, by):
    """Return the logits with ``by`` added to those of the classes."""
    logits = logits.double().clone()
    logits[:, classes] += by
    return logits


def searched(logits, targets, classes, score=accuracy):
    """Try every shift that could matter: one on each side of each sample's change of mind, and none."""
    inside = torch.zeros(logits.shape[1], dtype=torch.bool)
    inside[classes] = True
    z = logits.double()
    turns = (z[:, ~inside].amax(1) - z[:, inside].amax(1)).sort().values
    tried = [turns[0] - 1, *((turns[1:] + turns[:-1]) / 2), turns[-1] + 1, torch.zeros(())]
    return max(score(moved(logits, classes, by), targets) for by in tried)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("classes", [[1], [1, 3], [0, 1, 2, 3]])
@pytest.mark.parametrize(("metric", "score"), [("accuracy", accuracy), ("balanced_accuracy", balanced)])
def test_no_shift_scores_better(seed, classes, metric, score):
    logits, targets = sample(seed)
    targets = torch.where(torch.arange(60) % 7 == 0, 0, targets)  # classes of other sizes
    found = bias_shift(logits, targets, classes, metric)
    assert found.after == pytest.approx(searched(logits, targets, classes, score), abs=1e-12)
    assert found.before == pytest.approx(score(logits, targets), abs=1e-12)
    assert found.after == pytest.approx(score(logits + found.shift, targets), abs=1e-12)
    others = [each for each in range(5) if each not in classes]
    assert (found.shift[others] == 0).all()
    assert found.shift[classes].unique().numel() == 1


def test_what_was_taken_away_is_given_back():
    logits, targets = sample(0, rows=2000, by=3.0)
    found = bias_shift(logits, targets, [1, 3])
    assert found.shift[1].item() == pytest.approx(3.0, abs=0.5)
    assert found.recall_before[1] < 0.2 < 0.4 < found.recall_after[1]
    assert found.after > found.before + 0.05


def test_the_middle_of_the_best_interval_nearest_to_none():
    # class 1 wins where the shift passes 1, 2 and 8; samples 0 and 3 are of class 1, sample 1 is not
    logits = torch.tensor([[1.0, 0.0], [2.0, 0.0], [9.0, 1.0], [3.0, 0.0]])
    targets = torch.tensor([1, 0, 0, 1])
    # right: 2 below 1, 3 from 1 to 2, 2 from 2 to 3, 3 from 3 to 8, 2 above
    assert bias_shift(logits, targets, [1]).shift.tolist() == [0, 1.5]
    # the same seen from above: the next interval is that from 3 to 8
    assert bias_shift(logits - torch.tensor([10.0, 0.0]), targets, [1]).shift.tolist() == [0, -4.5]


def test_past_the_last_turn_by_one_nat():
    logits, targets = torch.tensor([[5.0, 0.0], [2.0, 0.0], [1.0, 0.0]]), torch.tensor([1, 1, 1])
    assert bias_shift(logits, targets, [1]).shift.tolist() == [0, 6]
    logits, targets = torch.tensor([[0.0, 5.0], [0.0, 7.0], [0.0, 9.0]]), torch.tensor([0, 0, 1])
    assert bias_shift(logits, targets, [1]).shift.tolist() == [0, -8]


def test_a_shift_that_gains_nothing_is_none():
    logits, targets = torch.diag(torch.tensor([9.0, 8.0, 3.0, 7.0])), torch.arange(4)
    found = bias_shift(logits, targets, [2])
    assert found.shift.tolist() == [0, 0, 0, 0]
    assert found.before == found.after == 1


@pytest.mark.parametrize("seed", range(4))
def test_one_for_each_is_no_worse_than_one_for_all(seed):
    logits, targets = sample(seed, rows=200)
    logits[:, 3] -= 2  # class 3 lacks more than class 1
    shared, own = bias_shift(logits, targets, [1, 3]), bias_shift(logits, targets, [1, 3], each=True)
    assert own.after > shared.after
    assert own.shift[3] > own.shift[1] + 1
    for one in (1, 3):  # and no change of a single one of them is better still
        assert searched(logits + own.shift, targets, [one]) <= own.after + 1e-12


@pytest.mark.parametrize("seed", [12, 14, 17])  # the second round gains here
def test_classes_are_gone_through_until_none_gains(seed):
    """With many classes to move, the first round is not the last: what moved later changes what came before."""
    logits, targets = sample(seed, rows=60, low=(0, 1, 2, 3), by=1.0)
    found = bias_shift(logits, targets, [0, 1, 2, 3], each=True)
    for one in range(4):
        assert searched(logits + found.shift, targets, [one]) <= found.after + 1e-12


def test_each_may_name_every_class():
    logits, targets = sample(0)
    assert bias_shift(logits, targets, list(range(5)), each=True).after > accuracy(logits, targets)


def test_recalls_are_those_of_each_class():
    logits, targets = sample(2)
    targets = torch.where(targets == 4, 0, targets)  # no sample of class 4
    found = bias_shift(logits, targets, [1, 3])
    for shift, recall in ((torch.zeros(5), found.recall_before), (found.shift, found.recall_after)):
        answers = (logits + shift).argmax(1)
        expected = [(answers[targets == one] == one).float().mean().item() for one in range(4)]
        assert recall[:4].tolist() == pytest.approx(expected)
        assert recall[4].isnan()
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["recall_after"][4] is None
    assert told["shift"] == found.shift.tolist()


def test_samples_without_label_are_not_read():
    logits, targets = sample(3)
    hidden = torch.where(torch.arange(60) % 4 == 0, -100, targets)
    found, expected = (
        bias_shift(logits, hidden, [1, 3]),
        bias_shift(logits[hidden >= 0], hidden[hidden >= 0], [1, 3]),
    )
    assert found.to_dict() == expected.to_dict()


def test_order_of_samples_does_not_matter():
    logits, targets = sample(4)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    assert torch.equal(
        bias_shift(logits, targets, [1, 3]).shift, bias_shift(logits[order], targets[order], [3, 1]).shift
    )


def test_half_precision_and_gradients_do_no_harm():
    logits, targets = sample(5)
    found = bias_shift(logits.bfloat16().requires_grad_(), targets, [1, 3])
    assert found.shift.dtype == torch.float32
    assert torch.equal(found.shift, bias_shift(logits.bfloat16().float(), targets, [1, 3]).shift)
    assert not found.shift.requires_grad


LOGITS, TARGETS = torch.zeros(4, 3), torch.tensor([0, 1, 2, 0])


@pytest.mark.parametrize(
    ("logits", "targets", "classes", "message"),
    [
        (LOGITS, TARGETS, [], "Name the classes"),
        (LOGITS, TARGETS, [3], "from 0 to 2"),
        (LOGITS, TARGETS, [-1], "from 0 to 2"),
        (LOGITS, TARGETS, [1, 1], "each once"),
        (LOGITS, TARGETS, ["one"], "by their numbers"),
        (LOGITS, TARGETS, [0, 1, 2], "changes no answer"),
        (LOGITS, torch.tensor([0, 1, 1, 0]), [2], "No validation sample is of class 2"),
        (LOGITS, torch.tensor([0, 1, 2, 3]), [1], "class 3"),
        (LOGITS, torch.full((4,), -100), [1], "No sample has a label"),
        (LOGITS * float("nan"), TARGETS, [1], "not finite"),
        (LOGITS, TARGETS[:3], [1], "one row of logits for each label"),
    ],
)
def test_what_cannot_be_chosen_is_refused(logits, targets, classes, message):
    with pytest.raises(LimbeckError, match=message):
        bias_shift(logits, targets, classes)


def test_other_metrics_are_refused():
    with pytest.raises(LimbeckError, match="not 'f1'"):
        bias_shift(LOGITS, TARGETS, [1], "f1")
