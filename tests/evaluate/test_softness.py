import math

import pytest
import torch

from limbeck.errors import LimbeckError
from limbeck.evaluate.softness import softness


def derived(logits, targets, temperature):
    """The same numbers by loops in double precision, from their definitions."""
    entropies, tops, trues, rivals = [], [], [], []
    for row, true in zip(logits.double().tolist(), targets.tolist(), strict=True):
        powers = [math.exp((value - max(row)) / temperature) for value in row]
        shares = [power / sum(powers) for power in powers]
        wrong = [share for at, share in enumerate(shares) if at != true]
        entropies.append(-sum(share * math.log(share) for share in shares if share > 0))
        tops.append(max(shares))
        trues.append(shares[true])
        rivals.append(max(wrong) / sum(wrong))
    return [sum(each) / len(each) for each in (entropies, tops, trues, rivals)]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0, 30.0])
def test_numbers_are_those_of_their_definitions(temperature):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(40, 7, generator=generator)
    targets = torch.randint(0, 7, (40,), generator=generator)
    entropy, top, true, rival = derived(logits, targets, temperature)
    found = softness(logits, targets, temperature)
    assert found.entropy == pytest.approx(entropy, rel=1e-5)
    assert found.entropy_share == pytest.approx(entropy / math.log(7), rel=1e-5)
    assert found.effective_classes == pytest.approx(math.exp(entropy), rel=1e-5)
    assert found.top == pytest.approx(top, rel=1e-5)
    assert found.true == pytest.approx(true, rel=1e-5)
    assert found.largest_wrong == pytest.approx(rival, rel=1e-5)


def test_a_higher_temperature_is_softer():
    logits = torch.randn(50, 10, generator=torch.Generator().manual_seed(1))
    found = [softness(logits, logits.argmax(-1), each) for each in (1, 2, 4, 8, 16, 32)]
    for name, sign in (
        ("entropy", 1),
        ("effective_classes", 1),
        ("top", -1),
        ("true", -1),
        ("largest_wrong", -1),
    ):
        values = [sign * getattr(each, name) for each in found]
        assert values == sorted(values)
        assert values[0] < values[-1]


def test_certainty_leaves_the_wrong_classes_their_shares():
    # 1 - p rounds to zero here, and what is left of a wrong class with it
    logits = torch.tensor([[1000.0, 3.0, 1.0]])
    found = softness(logits, torch.tensor([0]), 1.0)
    assert found.entropy == 0
    assert found.largest_wrong == pytest.approx(1 / (1 + math.exp(-2)))


@pytest.mark.parametrize("shape", [(0, 3), (4, 1)])
def test_nothing_to_soften_is_refused(shape):
    with pytest.raises(LimbeckError, match="softens the classes"):
        softness(torch.zeros(shape), torch.zeros(shape[0], dtype=torch.int64), 1.0)
