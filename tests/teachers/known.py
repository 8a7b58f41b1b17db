"""Small teachers whose answers are known, for the tests of teachers made of teachers."""

import torch
from torch import nn

from limbeck import Batch, Frozen
from limbeck.types import Outputs


class Fixed:
    """Answers a row of its table for each sample, by the sample's index; keeps the batches it saw."""

    def __init__(self, table, name="logits"):
        self.table, self.name, self.forwards, self.batches = torch.as_tensor(table), name, 0, []

    def __call__(self, batch, task=None, names=()):
        self.forwards += len(batch)
        self.batches.append(batch)
        return Outputs({self.name: self.table[batch.index]})


def network(classes=3, seed=0, width=8):
    """Return a net of 4 inputs that would answer otherwise in train mode."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(4, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.5), nn.Linear(width, classes)
    )


def frozen(classes=3, seed=0, role="teacher", width=8):
    return Frozen(network(classes, seed, width), role=role)


def batch(rows=6, targets=None, labelled=None):
    inputs = torch.randn(rows, 4, generator=torch.Generator().manual_seed(1))
    given = None if targets is None else torch.tensor(targets)
    return Batch(
        inputs, given, torch.arange(rows), labelled=None if labelled is None else torch.tensor(labelled)
    )


def state(teacher):
    """Return a copy of every weight and statistic of a frozen teacher."""
    return {name: value.clone() for name, value in teacher.model.state_dict().items()}
