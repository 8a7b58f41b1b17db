"""Sources, fingerprints and the data's parts."""

from dataclasses import replace

import pytest
import torch

from limbeck.data import TensorSource, open_data
from limbeck.data.source import digest, take


def test_fingerprint_is_the_contents_own():
    inputs, targets = torch.rand(4, 3), torch.arange(4)
    base = TensorSource(inputs, targets).fingerprint()
    assert TensorSource(inputs.clone(), targets.clone()).fingerprint() == base
    changed = inputs.clone()
    changed[2, 1] += 1e-6
    assert TensorSource(changed, targets).fingerprint() != base
    assert TensorSource(inputs, targets.flip(0)).fingerprint() != base
    assert TensorSource(inputs.view(4, 3, 1, 1), targets).fingerprint() != base


def test_digest_tells_borders_types_and_shapes_apart():
    zeros = torch.zeros(4)
    parts = [
        ["ab", "c"],
        ["a", "bc"],
        ["abc"],
        [zeros],
        [zeros.view(2, 2)],
        [zeros.int()],
        [zeros.bfloat16()],
    ]
    assert len({digest(each) for each in parts}) == len(parts)
    assert digest(["é"]) == digest(["é".encode()])


def test_data_fingerprint_covers_the_split():
    data = open_data("digits")
    assert open_data("digits").fingerprint() == data.fingerprint()
    others = [
        open_data("digits", seed=1),
        open_data("digits", limit=100),
        replace(data, validation=data.test, test=data.validation),
        replace(data, classes=(*data.classes[:9], "nine")),
    ]
    assert len({data.fingerprint(), *(each.fingerprint() for each in others)}) == 5


def test_inputs_and_targets_must_agree():
    with pytest.raises(ValueError, match="3 inputs but 2 targets"):
        TensorSource(torch.rand(3, 1), torch.zeros(2))


def test_take_keeps_the_kind():
    assert take(torch.tensor([5, 6, 7]), [2, 0]).tolist() == [7, 5]
    assert take(["a", "b", "c"], torch.tensor([2, 0])) == ["c", "a"]


def test_canvas_is_for_images_with_plain_targets():
    data = open_data("digits")
    assert data.canvas == (8, 8)
    assert replace(data, task="other").canvas is None
    assert open_data("sklearn:diabetes").canvas is None
