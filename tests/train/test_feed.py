"""Any data set of pairs can be trained on."""

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset, TensorDataset

from limbeck import Plan, Supervised, fit
from limbeck.train import Feed
from train.toys import problem


class Rows(Dataset):
    def __len__(self):
        return 12

    def __getitem__(self, index):
        x, y = problem(12)
        return x[index], int(y[index])


@pytest.mark.parametrize("data", [Rows(), TensorDataset(*problem(12)), list(zip(*problem(12), strict=True))])
def test_pairs_come_out_as_they_went_in(data):
    part = Feed.of(data).train
    batch = part.views.__getitems__([(3, 0), (1, 0)])
    x, y = problem(12)
    assert torch.equal(batch.inputs, x[[3, 1]])
    assert batch.targets.tolist() == y[[3, 1]].tolist()
    assert batch.index.tolist() == [3, 1]
    assert len(part) == 12


def test_feed_of_pairs_trains():
    pairs = list(zip(*problem(12), strict=True))
    run = fit(Supervised(nn.Linear(4, 3)), Feed.of(pairs, pairs), Plan(epochs=2, batch_size=5, device="cpu"))
    assert run.steps == 6
    assert run.samples == 24
    assert run.best_score is not None
