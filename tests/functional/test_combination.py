"""One set of logits out of those of several models."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import minimize

from limbeck.functional import convex_weights, least_logits, likeliest_logits, relative_logits


def draw(models=3, samples=12, classes=5, scale=3.0, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(models, samples, classes, generator=generator, dtype=dtype)
    return logits, torch.randint(classes, (samples,), generator=generator)


def cross_entropy(weights, logits, labels):
    combined = torch.einsum("m,mnc->nc", torch.as_tensor(weights, dtype=logits.dtype), logits)
    return float(F.cross_entropy(combined, labels))


def optimum(logits, labels):
    """Return the smallest cross-entropy that a solver of another kind finds, or one model alone has."""
    models = len(logits)
    found = minimize(
        cross_entropy,
        np.full(models, 1 / models),
        args=(logits, labels),
        bounds=[(0, 1)] * models,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-12},
    )
    alone = [cross_entropy(np.eye(models)[number], logits, labels) for number in range(models)]
    return min(found.fun, *alone)


def test_relative_logits_leave_probabilities_and_put_the_label_at_zero():
    logits, labels = draw()
    shifted = relative_logits(logits, labels)
    torch.testing.assert_close(shifted.softmax(-1), logits.softmax(-1))
    assert (shifted[:, torch.arange(12), labels] == 0).all()


def test_likeliest_logits_are_each_samples_best_models():
    logits, labels = draw()
    found = likeliest_logits(logits, labels)
    for sample, label in enumerate(labels.tolist()):
        surest = max(range(3), key=lambda model: logits[model, sample].log_softmax(0)[label].item())
        assert torch.equal(found[sample], logits[surest, sample])


def test_least_logits_by_a_plain_loop():
    logits, labels = draw()
    for sample, label in enumerate(labels.tolist()):
        expected = [
            min(logits[model, sample, c].item() - logits[model, sample, label].item() for model in range(3))
            for c in range(5)
        ]
        assert least_logits(logits, labels)[sample].tolist() == pytest.approx(expected)


def test_least_logits_know_the_label_better_than_every_model():
    logits, labels = draw(samples=200)
    alone = torch.stack([F.cross_entropy(each, labels, reduction="none") for each in logits])
    together = F.cross_entropy(least_logits(logits, labels), labels, reduction="none")
    assert (together <= alone.amin(0) + 1e-12).all()
    assert (together < alone.amin(0) - 1e-3).any()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("scale", [0.01, 1.0, 20.0])
def test_convex_weights_are_optimal(seed, scale):
    logits, labels = draw(models=2 + seed % 4, samples=1 + 5 * seed, scale=scale, seed=seed)
    weights = convex_weights(logits, labels)
    assert (weights > 0).all()
    assert float(weights.sum()) == pytest.approx(1, abs=1e-12)
    assert cross_entropy(weights, logits, labels) <= optimum(logits, labels) + 1e-6 * max(1, 10 * scale)


def test_convex_weights_of_two_models_by_trying_them_all():
    logits, labels = draw(models=2, samples=40)
    logits[0] += 2 * F.one_hot(labels, 5)
    tried = torch.linspace(0, 1, 2001, dtype=torch.float64)
    values = [cross_entropy([w, 1 - w], logits, labels) for w in tried]
    best = tried[int(np.argmin(values))].item()
    assert 0.05 < best < 0.95  # a mixture, not a corner
    assert convex_weights(logits, labels)[0].item() == pytest.approx(best, abs=1e-3)


def test_model_that_is_best_everywhere_gets_all_the_weight():
    logits, labels = draw(models=2)
    logits[1] = logits[0] + 10 * F.one_hot(labels, 5)
    assert convex_weights(logits, labels)[1].item() == pytest.approx(1, abs=1e-4)


def test_models_that_agree_share_the_weight():
    logits, labels = draw(models=1)
    weights = convex_weights(logits.expand(3, -1, -1), labels)
    assert weights.tolist() == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("scale", [1e3, 1e4])
def test_logits_of_any_size_have_an_end(scale):
    for seed in range(10):
        logits, labels = draw(models=4, scale=scale, seed=seed)
        weights = convex_weights(logits, labels)
        assert cross_entropy(weights, logits, labels) <= optimum(logits, labels) + 1e-5 * scale


def test_nothing_to_go_by_is_equal_weights():
    logits, labels = draw()
    assert convex_weights(logits[:, :0], labels[:0]).tolist() == pytest.approx([1 / 3] * 3)
    logits[1, 0, 0] = math.nan
    assert convex_weights(logits, labels).tolist() == pytest.approx([1 / 3] * 3)


def test_half_precision_is_widened():
    logits, labels = draw()
    found = convex_weights(logits.bfloat16(), labels)
    assert found.dtype == torch.float32
    expected = convex_weights(logits.bfloat16().double(), labels)
    assert found.tolist() == pytest.approx(expected.tolist(), abs=1e-6)
