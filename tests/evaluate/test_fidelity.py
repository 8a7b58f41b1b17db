"""How closely a student follows its teacher, as opposed to how right it is."""

import numpy as np
import pytest
import torch

from laws.samples import random
from limbeck import Batch, Classification, Outputs, Regression
from limbeck.evaluate import fidelity, mistakes


def says(table):
    """Return a model that answers each sample by its row of ``table``."""
    return lambda batch: Outputs(logits=table[batch.index])


def batches(count=30, size=8):
    return [Batch(torch.zeros(len(rows), 1), index=rows) for rows in torch.arange(count).split(size)]


def test_agreement_and_divergence_are_those_of_independent_counts():
    student, teacher = random(1, (30, 4)), random(2, (30, 4))
    found = fidelity(says(student), says(teacher), batches(), Classification())
    s, t = student.double().numpy(), teacher.double().numpy()
    assert found.agreement == pytest.approx((s.argmax(1) == t.argmax(1)).mean())
    p, q = (np.exp(each) / np.exp(each).sum(1, keepdims=True) for each in (t, s))
    assert found.kl == pytest.approx((p * np.log(p / q)).sum(1).mean(), rel=1e-5)


def test_direction_is_from_the_teacher():
    sure, unsure = torch.tensor([[5.0, 0.0]] * 30), torch.zeros(30, 2)
    one = fidelity(says(sure), says(unsure), batches(), Classification()).kl
    other = fidelity(says(unsure), says(sure), batches(), Classification()).kl
    p = 1 / (1 + np.exp(-5))
    assert other == pytest.approx(p * np.log(2 * p) + (1 - p) * np.log(2 * (1 - p)), rel=1e-4)
    assert one == pytest.approx(-0.5 * np.log(4 * p * (1 - p)), rel=1e-4)


@pytest.mark.parametrize("size", [1, 30])
def test_batch_size_does_not_matter(size):
    student, teacher = says(random(1, (30, 4))), says(random(2, (30, 4)))
    expected = fidelity(student, teacher, batches(), Classification())
    found = fidelity(student, teacher, batches(size=size), Classification())
    assert (found.agreement, found.kl) == pytest.approx((expected.agreement, expected.kl), rel=1e-5)


def test_labels_tell_mistakes_and_nothing_else():
    student, teacher = random(1, (30, 4)), random(2, (30, 4))
    plain = fidelity(says(student), says(teacher), batches(), Classification())
    labelled = [Batch(b.inputs, b.index % 4, b.index, labelled=b.index % 3 > 0) for b in batches()]
    found = fidelity(says(student), says(teacher), labelled, Classification())
    assert (found.agreement, found.kl) == (plain.agreement, plain.kl)
    assert plain.mistakes is None
    rows = torch.arange(30)[torch.arange(30) % 3 > 0]
    assert found.mistakes == mistakes(student[rows], teacher[rows], rows % 4)
    assert found.mistakes.samples == 20


def test_regression_compares_values():
    student, teacher = random(1, (30,)), random(2, (30,))
    found = fidelity(
        lambda batch: Outputs(value=student[batch.index]),
        lambda batch: Outputs(value=teacher[batch.index]),
        batches(),
        Regression(),
    )
    error = ((student - teacher).double() ** 2).mean().item()
    assert found.kl == pytest.approx(error, rel=1e-5)
    assert found.agreement is None  # values have no "same class"
    assert found.mistakes is None
