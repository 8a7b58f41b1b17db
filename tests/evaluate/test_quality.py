"""One code path measures teacher, student and anything else that predicts."""

import numpy as np
import pytest
import torch
from torch import nn

from limbeck import Batch, Classification, LimbeckError, Outputs, Regression
from limbeck.data.loader import Loader
from limbeck.evaluate import evaluate
from limbeck.evaluate.quality import predictor
from train.toys import feed, mlp, problem


def batches(size, count=55):
    x, y = problem(count)
    return [Batch(x[rows], y[rows]) for rows in torch.arange(count).split(size)]


def test_scores_are_those_of_independent_counts():
    net = mlp(3)
    found = evaluate(predictor(net, Classification()), batches(16), Classification())
    x, y = problem(55)
    z = net(x).detach().double().numpy()
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    y = y.numpy()
    assert found.scores["accuracy"] == pytest.approx((p.argmax(1) == y).mean())
    assert found.scores["nll"] == pytest.approx(-np.log(p[np.arange(55), y]).mean(), rel=1e-5)
    counts = np.zeros((3, 3), int)
    np.add.at(counts, (y, p.argmax(1)), 1)
    assert found.details["confusion"].tolist() == counts.tolist()


@pytest.mark.parametrize("size", [1, 7, 55, 100])
def test_scores_do_not_depend_on_the_batch_size(size):
    predict = predictor(mlp(3), Classification())
    expected = evaluate(predict, batches(11), Classification()).scores
    assert evaluate(predict, batches(size), Classification()).scores == pytest.approx(expected, rel=1e-5)


def test_loader_gives_each_sample_once_and_in_order():
    data = feed().validation
    seen = []

    def predict(batch):
        seen.extend(batch.index.tolist())
        return Outputs(logits=batch.inputs)

    evaluate(predict, Loader(data, 4), Classification())
    assert seen == list(range(40, 55))


def test_predictor_is_in_eval_mode_without_a_graph():
    net = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5)).train()
    seen = []
    net.register_forward_hook(lambda module, args, out: seen.append((module.training, out.requires_grad)))
    evaluate(predictor(net, Classification()), batches(20), Classification())
    assert seen == [(False, False)] * 3


def test_predictor_reads_its_roles_inputs():
    net, (x, y) = mlp(), problem(10)
    own = [Batch({"teacher": x, "student": torch.zeros(10, 9)}, y)]
    found = evaluate(predictor(net, Classification(), "teacher"), own, Classification())
    assert found.scores == evaluate(predictor(net, Classification()), [Batch(x, y)], Classification()).scores


def test_quick_evaluation_leaves_out_what_is_slow():
    predict = predictor(mlp(), Classification())
    quick = evaluate(predict, batches(20), Classification(), full=False)
    assert set(quick.scores) == {"accuracy", "nll"}
    assert not quick.details


def test_regression_is_scored_on_the_targets_own_scale():
    task, (x, _) = Regression(mean=50.0, std=10.0), problem(30)
    truth = 50 + 10 * x[:, 0]
    off = evaluate(lambda batch: task.named(batch.inputs), [Batch(truth + 3, truth)], task)
    assert off.scores["rmse"] == pytest.approx(3, rel=1e-4)
    assert off.scores["mae"] == pytest.approx(3, rel=1e-4)


def test_nothing_to_evaluate_on_is_refused():
    with pytest.raises(LimbeckError, match="sample"):
        evaluate(predictor(mlp(), Classification()), [], Classification())
