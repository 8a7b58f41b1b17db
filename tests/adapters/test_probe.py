"""A probe tells what every layer gave, and leaves the network as it was."""

import pytest
import torch
from torch import nn

from limbeck.adapters.forms import form_of, level
from limbeck.adapters.probe import probe
from limbeck.errors import LimbeckError


class Odd(nn.Module):
    """Counts its forwards in a buffer, drops, calls a layer twice, and changes a tensor in place."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.drop = nn.Dropout(0.5)
        self.shared = nn.Linear(4, 4)
        self.pair = nn.LSTM(4, 4, batch_first=True)
        self.register_buffer("forwards", torch.zeros(1))

    def forward(self, x):
        self.forwards += 1
        y = self.norm(x)
        y += x
        y = self.shared(self.shared(self.drop(y)))
        return {"logits": self.pair(y[:, None])[0][:, 0], "noise": torch.rand(1)}


def hooks(net):
    return sum(len(each._forward_hooks) + len(each._forward_pre_hooks) for each in net.modules())


@pytest.mark.parametrize("training", [True, False])
def test_network_is_left_as_it_was(training):
    net = Odd().train(training)
    net.norm.eval()
    modes = [each.training for each in net.modules()]
    before = {key: value.clone() for key, value in net.state_dict().items()}
    random = torch.get_rng_state()
    probe(net, torch.randn(2, 4, generator=torch.Generator().manual_seed(0)))
    assert [each.training for each in net.modules()] == modes
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert hooks(net) == 0
    assert all(each.grad is None for each in net.parameters())


def test_network_is_left_as_it_was_after_an_error():
    net = Odd().train()
    with pytest.raises(LimbeckError, match=r"Odd does not run on an example of shape \(2, 5\)"):
        probe(net, torch.zeros(2, 5))
    assert net.training
    assert net.forwards == 0
    assert hooks(net) == 0


def test_calls_are_told_with_the_taps_that_reach_them():
    seen = probe(Odd(), torch.randn(2, 4))
    paths = [call.path for call in seen.calls]
    assert paths == ["norm", "drop", "shared@0", "shared@1", "pair", ""]
    gave = {call.path: [each.tap for each in call.gave] for call in seen.calls}
    assert gave["norm"] == ["norm@copy"]  # y += x changes it
    assert gave["shared@1"] == ["shared@1"]
    assert gave["pair"] == ["pair@out.0"]
    assert gave[""] == ["@out.logits", "@out.noise"]
    reads = {call.path: call.read.tap for call in seen.calls}
    assert reads["shared@1"] == "shared@in@1"
    assert seen.output.shape == (2, 4)


def test_network_without_a_tensor_is_refused():
    class Silent(nn.Module):
        def forward(self, x):
            return None

    with pytest.raises(LimbeckError, match="Silent gives a NoneType"):
        probe(Silent(), torch.zeros(1, 2))


@pytest.mark.parametrize(
    ("shape", "image", "options", "expected"),
    [
        ((2, 512), (224, 224), {}, ("vector", 512, (1, 1), 0)),
        ((2, 64, 56, 56), (224, 224), {}, ("map", 64, (56, 56), 0)),
        ((2, 7, 7, 768), (224, 224), {}, ("map, channels last", 768, (7, 7), 0)),
        ((2, 12, 16, 24), (96, 128), {}, ("map, channels last", 24, (12, 16), 0)),
        ((2, 24, 12, 16), (96, 128), {}, ("map", 24, (12, 16), 0)),
        ((2, 8, 8, 8), (64, 64), {}, ("map", 8, (8, 8), 0)),
        ((2, 4, 7, 7), None, {}, ("map", 4, (7, 7), 0)),
        ((2, 197, 192), (224, 224), {}, ("tokens", 192, (14, 14), 1)),
        ((2, 198, 192), (224, 224), {}, ("tokens", 192, (14, 14), 2)),
        ((2, 196, 192), (224, 224), {}, ("tokens", 192, (14, 14), 0)),
        ((2, 9, 192), (32, 32), {"prefix": 5, "grids": [(2, 2)]}, ("tokens", 192, (2, 2), 5)),
        ((2, 201, 192), (224, 224), {"grids": [(14, 14)]}, ("tokens", 192, (14, 14), 5)),
        ((2, 12, 64), (24, 32), {}, ("tokens", 64, (3, 4), 0)),
        ((2, 48, 64), None, {}, ("sequence", 64, (48, 1), 0)),
        ((2, 50, 64), (24, 32), {}, ("tokens", 64, (6, 8), 2)),
        ((2, 11, 64), (224, 224), {}, ("tokens", 64, (3, 3), 2)),
        ((2, 7, 64), (224, 224), {}, ("sequence", 64, (7, 1), 0)),
    ],
)
def test_layout_is_told_from_the_shape(shape, image, options, expected):
    form = form_of(shape, image, **options)
    assert (form.kind, form.channels, form.size, form.prefix) == expected
    x = torch.randn(shape)
    laid = form.to_map()(x) if form.to_map() else x
    assert laid.shape[1:] == form.shape
    pooled = form.to_vector()(x) if form.to_vector() else x
    assert pooled.shape == (2, form.channels)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4, 5, 6), (2, 0)])
def test_what_no_loss_reads_has_no_form(shape):
    assert form_of(shape, (32, 32)) is None


def test_level_counts_halvings():
    assert [level((side, side), (299, 299)) for side in (299, 149, 73, 35, 17, 8)] == [0, 1, 2, 3, 4, 5]
