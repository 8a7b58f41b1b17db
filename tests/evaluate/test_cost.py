"""Costs against counts made by hand."""

import pytest
import torch
from torch import Tensor, nn

from limbeck.evaluate.cost import cost, latency, macs, model_bytes, parameters


class SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.attention(tokens, tokens, tokens, need_weights=False)[0]


def test_macs_of_a_linear_layer_are_rows_times_weights() -> None:
    assert macs(nn.Linear(5, 7), torch.zeros(1, 5)) == 5 * 7


@pytest.mark.parametrize("groups", [1, 4])
def test_macs_of_a_convolution(groups: int) -> None:
    layer = nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=groups)
    assert macs(layer, torch.zeros(1, 4, 10, 12)) == 8 * (4 // groups) * 9 * 5 * 6


@pytest.mark.parametrize("training", [False, True])
def test_macs_of_attention_count_the_products_inside_the_fused_kernel(training: bool) -> None:
    tokens, width = 10, 16
    layer = SelfAttention(width, 2).train(training)
    projections = 4 * tokens * width * width  # query, key, value, output
    products = 2 * tokens * tokens * width  # query × key, weights × value
    assert macs(layer, torch.zeros(1, tokens, width)) == projections + products


def test_macs_of_an_encoder_layer_are_not_hidden_by_its_fast_path() -> None:
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval()
    attention = 4 * 10 * 16 * 16 + 2 * 10 * 10 * 16
    assert macs(layer, torch.zeros(1, 10, 16)) == attention + 2 * 10 * 16 * 32
    assert torch.backends.mha.get_fastpath_enabled()


def test_macs_of_a_recurrent_layer() -> None:
    layer = nn.LSTM(4, 8, batch_first=True)
    assert macs(layer, torch.zeros(1, 5, 4)) == 5 * 4 * 8 * (4 + 8)


def test_macs_are_for_one_sample_whatever_the_batch() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 4, 3))
    assert macs(net, torch.zeros(1, 1, 4, 4)) == macs(net, torch.zeros(6, 1, 4, 4)) == 2 * 9 * 4 + 8 * 3


def test_shared_tensors_are_counted_once_and_buffers_are_bytes() -> None:
    net = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False), nn.BatchNorm1d(4))
    net[1].weight = net[0].weight
    assert parameters(net) == 16 + 8
    assert model_bytes(net) == 4 * (16 + 8) + 4 * 8 + 8  # mean and variance, and an int64 counter
    assert model_bytes(net.half()) == 2 * (16 + 8) + 2 * 8 + 8


def test_measuring_leaves_modes_and_threads_as_they_were() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout())
    net[1].eval()
    before = torch.get_num_threads()
    found = latency(net, torch.zeros(1, 4), threads=before + 1, seconds=0.01)
    macs(net, torch.zeros(1, 4))  # would fail in training mode: BatchNorm of one row
    assert [each.training for each in net.modules()] == [True, True, False, True]
    assert torch.get_num_threads() == before
    assert found.threads == before + 1


def test_modes_are_put_back_when_the_network_fails() -> None:
    net = nn.Linear(4, 2)
    with pytest.raises(RuntimeError):
        macs(net, torch.zeros(1, 5))
    assert net.training
    assert torch.backends.mha.get_fastpath_enabled()


def test_cost_is_written_as_run_json_has_it() -> None:
    found = cost(nn.Linear(4, 2), torch.zeros(3, 4), threads=1, seconds=0.01).to_dict()
    assert list(found) == ["parameters", "macs", "bytes", "latency_ms"]
    assert (found["parameters"], found["macs"], found["bytes"]) == (10, 8, 40)
    timing = found["latency_ms"]
    assert (timing["batch"], timing["threads"]) == (3, 1)
    assert timing["median"] > 0
    assert timing["iqr"] >= 0
