"""Averages of probabilities, kept as logarithms."""

import pytest
import torch

from limbeck.functional import ABSENT, log_mean


def test_is_the_mean_of_the_probabilities():
    logits = [torch.randn(4, 5) for _ in range(3)]
    expected = sum(each.softmax(1) for each in logits) / 3
    torch.testing.assert_close(log_mean(logits).exp(), expected)


def test_weights_may_differ_by_model_and_by_row():
    logits = [torch.randn(2, 5) for _ in range(2)]
    one, other = (each.softmax(1) for each in logits)
    torch.testing.assert_close(log_mean(logits, torch.tensor([3.0, 1.0])).exp(), 0.75 * one + 0.25 * other)
    by_row = log_mean(logits, torch.tensor([[1.0, 0.0], [1.0, 2.0]])).exp()
    torch.testing.assert_close(by_row, torch.stack([(one[0] + other[0]) / 2, other[1]]))


def test_rows_may_be_tokens():
    logits = [torch.randn(2, 3, 5) for _ in range(2)]
    torch.testing.assert_close(log_mean(logits).exp(), (logits[0].softmax(2) + logits[1].softmax(2)) / 2)


def test_one_model_keeps_its_logits_to_the_bit():
    logits = torch.randn(2, 5) * 100
    assert torch.equal(log_mean([logits]), logits)


def test_sure_models_do_not_underflow():
    sure = torch.tensor([[500.0, 0.0, 0.0]])
    found = log_mean([sure, sure])
    torch.testing.assert_close(found, torch.tensor([[0.0, -500.0, -500.0]]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("temperature", [1, 20, 100])
def test_absent_classes_are_finite_and_have_no_probability(dtype, temperature):
    masked = torch.tensor([[1.0, -torch.inf, 0.0]])
    found = log_mean([masked, masked])
    assert found[0, 1] == ABSENT
    assert torch.isfinite(found.to(dtype)).all()
    assert (found.to(dtype).float() / temperature).softmax(1)[0, 1] == 0


def test_half_precision_is_lifted():
    assert log_mean([torch.randn(2, 3).bfloat16()] * 2).dtype == torch.float32
