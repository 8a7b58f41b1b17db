"""Softened distributions and their divergence, against plain numbers."""

import math

import pytest
import torch

from laws.samples import pair, random
from limbeck.functional import entropy, soft_kl, softened
from reference.response import softmax


def test_softened_is_the_softmax_of_the_logits_over_the_temperature():
    logits = random(0, (3, 5)).double()
    for temperature in (0.5, 1.0, 7.0):
        expected = [softmax(row, temperature) for row in logits.tolist()]
        torch.testing.assert_close(softened(logits, temperature), torch.tensor(expected).double())


def test_order_of_classes_survives_every_temperature():
    logits = random(0, (4, 6))
    for temperature in (0.1, 1.0, 50.0):
        assert torch.equal(softened(logits, temperature).argsort(1), logits.argsort(1))


def test_entropy_is_that_of_the_softened_distribution():
    logits = random(0, (3, 5)).double()
    for temperature in (1.0, 7.0):
        expected = [-sum(p * math.log(p) for p in softmax(row, temperature)) for row in logits.tolist()]
        assert entropy(logits, temperature).tolist() == pytest.approx(expected)


def test_entropy_rises_with_the_temperature_to_that_of_the_uniform():
    logits = random(0, (1, 5))
    values = [entropy(logits, temperature).item() for temperature in (0.5, 1.0, 2.0, 8.0, 1e3)]
    assert values == sorted(values)
    assert values[-1] == pytest.approx(math.log(5), abs=1e-4)


def test_entropy_of_a_certain_distribution_is_zero_and_not_nan():
    assert entropy(torch.tensor([[1e4, 0.0, -1e4]])).item() == pytest.approx(0, abs=1e-6)


def test_divergence_has_no_t_squared_and_is_a_mean_over_rows():
    student, teacher = (each.double() for each in pair((4, 5)))
    expected = 0.0
    for known, taught in zip(student.tolist(), teacher.tolist(), strict=True):
        q, p = softmax(known, 3.0), softmax(taught, 3.0)
        expected += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)) / 4
    assert soft_kl(student, teacher, 3.0).item() == pytest.approx(expected)


def test_divergence_of_token_logits_is_a_mean_over_tokens():
    student, teacher = pair((2, 3, 5))
    flat = soft_kl(student.view(6, 5), teacher.view(6, 5))
    assert soft_kl(student, teacher).item() == pytest.approx(flat.item(), rel=1e-6)


def test_divergence_of_impossible_classes_is_finite():
    never = -math.inf
    student = torch.tensor([[1.0, 2.0, never]], requires_grad=True)
    value = soft_kl(student, torch.tensor([[2.0, 1.0, never]]))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(student.grad).all()


def test_half_precision_logits_are_compared_in_single_precision():
    student, teacher = pair((4, 10))
    rough = soft_kl(student.half(), teacher.half(), 4.0)
    assert rough.dtype == torch.float32
    assert rough.item() == pytest.approx(soft_kl(student.half().float(), teacher.half().float(), 4.0).item())
