"""Data that comes with scikit-learn."""

import torch
from sklearn.datasets import load_diabetes, load_digits

from limbeck.data import open_data


def test_digits_are_scikit_learns():
    data, raw = open_data("digits"), load_digits()
    assert len(data.source) == 1797
    assert torch.equal(data.source.targets, torch.from_numpy(raw.target).long())
    levels = (data.source.inputs.float() * 16 / 255).round().squeeze(1)
    assert torch.equal(levels, torch.from_numpy(raw.images).float())
    assert data.source.inputs.dtype == torch.uint8
    assert data.task == "classification"


def test_digits_are_divided_by_class_and_seed():
    data = open_data("digits")
    parts = (data.train, data.validation, data.test)
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(1797))
    whole = torch.bincount(data.source.targets) / 1797
    for part in parts:
        share = torch.bincount(data.source.targets[part]) / len(part)
        assert (share - whole).abs().max() < 0.005
    assert not torch.equal(open_data("digits", seed=1).test, data.test)


def test_diabetes_is_scikit_learns():
    data, raw = open_data("sklearn:diabetes"), load_diabetes(scaled=False)
    assert torch.equal(data.source.inputs, torch.from_numpy(raw.data).float())
    assert torch.equal(data.source.targets, torch.from_numpy(raw.target).float())
    assert data.name == "sklearn:diabetes"
    assert data.classes is None
    assert torch.equal(torch.cat([data.train, data.validation, data.test]).sort().values, torch.arange(442))
