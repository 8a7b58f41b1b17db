"""Regression: standardised inside, scored on the targets' own scale."""

import numpy as np
import pytest
import torch

from limbeck import Batch, Outputs, Regression

TASK = Regression(mean=100.0, std=20.0)


def answers(rows=50, seed=0):
    generator = torch.Generator().manual_seed(seed)
    targets = 100 + 20 * torch.randn(rows, generator=generator)
    return targets + 5 * torch.randn(rows, generator=generator), targets


@pytest.mark.parametrize("shape", [(50,), (50, 1)])
def test_models_answer_on_the_targets_own_scale(shape):
    said, targets = answers()
    outputs = TASK.named(said.view(shape))
    assert outputs["value"].shape == (50,)
    torch.testing.assert_close(outputs["value"], (said - 100) / 20)
    loss = TASK.loss(outputs, Batch(said, targets.view(shape)))
    assert loss.item() == pytest.approx(((said - targets) ** 2).mean().item() / 400, rel=1e-4)


def test_loss_counts_labelled_samples_only():
    said, targets = answers(4)
    labelled = torch.tensor([True, False, False, True])
    missing = torch.where(labelled, targets, torch.full_like(targets, float("nan")))
    loss = TASK.loss(TASK.named(said), Batch(said, missing, labelled=labelled))
    assert loss.item() == pytest.approx(((said - targets)[labelled] ** 2).mean().item() / 400, rel=1e-4)


def test_loss_of_a_batch_without_a_label_is_zero_and_has_a_gradient():
    said, targets = answers(4)
    said.requires_grad_()
    loss = TASK.loss(TASK.named(said), Batch(said, targets, labelled=torch.zeros(4).bool()))
    loss.backward()
    assert loss.item() == 0
    assert said.grad.abs().sum() == 0


def test_whole_numbers_may_be_targets():
    said, _ = answers(4)
    loss = TASK.loss(TASK.named(said), Batch(said, torch.tensor([90, 100, 110, 120])))
    assert loss.dtype == torch.float32


def test_scores_are_those_counted_by_hand():
    said, targets = answers()
    metrics = TASK.metrics()
    for rows in torch.arange(50).split(16):
        metrics.update(TASK.named(said[rows]), Batch(said[rows], targets[rows]))
    found, off = metrics.compute(), (said - targets).double().numpy()
    assert found["rmse"] == pytest.approx(np.sqrt((off**2).mean()), rel=1e-4)
    assert found["mae"] == pytest.approx(np.abs(off).mean(), rel=1e-4)
    spread = ((targets - targets.mean()).double().numpy() ** 2).sum()
    assert found["r2"] == pytest.approx(1 - (off**2).sum() / spread, rel=1e-3)
    assert metrics.details() == {}
    assert TASK.metric == "rmse"
    assert not TASK.higher_is_better


def test_r2_survives_targets_far_from_zero():
    task = Regression(mean=1e5, std=1.0)
    generator = torch.Generator().manual_seed(0)
    targets = 1e5 + torch.randn(500, generator=generator)
    said = targets + 0.5
    metrics = task.metrics()
    metrics.update(task.named(said), Batch(said, targets))
    expected = 1 - 0.25 * 500 / ((targets - targets.mean()) ** 2).sum().item()
    assert metrics.compute()["r2"] == pytest.approx(expected, abs=0.05)


def test_a_single_sample_has_an_error():
    metrics = TASK.metrics()
    metrics.update(TASK.named(torch.tensor([103.0])), Batch(torch.zeros(1, 1), torch.tensor([100.0])))
    assert metrics.compute()["rmse"] == pytest.approx(3, rel=1e-4)
    assert metrics.compute()["mae"] == pytest.approx(3, rel=1e-4)


def test_column_of_targets_is_not_broadcast():
    said, targets = answers(5)
    one = TASK.loss(TASK.named(said[:, None]), Batch(said, targets))
    assert one.item() == pytest.approx(TASK.loss(Outputs(TASK.named(said)), Batch(said, targets)).item())


def test_example_input_has_the_shape_told():
    assert Regression(shape=(5,)).example_input().shape == (1, 5)
