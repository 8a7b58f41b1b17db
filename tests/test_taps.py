"""Layers are tapped by name, and nothing of the tap is left behind."""

import pytest
import torch
from torch import nn

from limbeck.errors import LimbeckError
from limbeck.taps import find_layer, tapped


class Reused(nn.Module):
    """Calls one layer twice and another only on request."""

    def __init__(self):
        super().__init__()
        self.shared = nn.Linear(2, 2)
        self.spare = nn.Linear(2, 2)

    def forward(self, x, spare=False):
        x = self.shared(self.shared(x).relu())
        return self.spare(x) if spare else x


def hooks(model):
    return sum(len(module._forward_hooks) for module in model.modules())


def test_tapped_layer_gives_what_it_computed():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    x = torch.randn(4, 2)
    with tapped(net, {"hidden": "1", "out": "2"}) as taps:
        y = net(x)
    assert torch.equal(taps["hidden"], net[1](net[0](x)))
    assert taps["out"] is y
    assert sorted(taps) == ["hidden", "out"]
    assert len(taps) == 2


def test_tap_does_not_change_the_output_and_keeps_the_graph():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    x = torch.randn(4, 2)
    plain = net(x)
    with tapped(net, {"hidden": "0"}) as taps:
        assert torch.equal(net(x), plain)
    taps["hidden"].sum().backward()
    assert net[0].weight.grad is not None


def test_hooks_are_gone_afterwards_even_after_an_error():
    net = nn.Sequential(nn.Linear(2, 3))
    with tapped(net, {"a": "0"}):
        assert hooks(net) == 1
    assert hooks(net) == 0
    with pytest.raises(RuntimeError), tapped(net, {"a": "0"}):
        net(torch.zeros(1, 5))
    assert hooks(net) == 0
    with pytest.raises(LimbeckError), tapped(net, {"a": "0", "b": "missing"}):
        pass
    assert hooks(net) == 0


def test_layer_called_twice_must_say_which_call():
    net, x = Reused(), torch.randn(3, 2)
    with tapped(
        net, {"first": "shared@0", "second": "shared@1", "last": "shared@-1", "any": "shared"}
    ) as taps:
        net(x)
    assert torch.equal(taps["first"], net.shared(x))
    assert torch.equal(taps["second"], net.shared(net.shared(x).relu()))
    assert torch.equal(taps["last"], taps["second"])
    with pytest.raises(LimbeckError, match="2 times"):
        taps["any"]


@pytest.mark.parametrize("which", ["2", "-3", "one", "1.0"])
def test_call_that_was_not_made_is_refused(which):
    net = Reused()
    with tapped(net, {"it": f"shared@{which}"}) as taps:
        net(torch.zeros(1, 2))
    with pytest.raises(LimbeckError, match="shared"):
        taps["it"]


def test_layer_that_did_not_run_is_refused():
    net = Reused()
    with tapped(net, {"spare": "spare"}) as taps:
        net(torch.zeros(1, 2))
    with pytest.raises(LimbeckError, match="did not run"):
        taps["spare"]
    with tapped(net, {"spare": "spare"}) as taps:
        net(torch.zeros(1, 2), spare=True)
    assert taps["spare"].shape == (1, 2)


def test_unknown_layer_is_refused_with_a_near_name():
    with pytest.raises(LimbeckError, match="Did you mean 'shared'"):
        find_layer(Reused(), "shard")
    with pytest.raises(LimbeckError, match="spare"):
        find_layer(Reused(), "zzzzzz")
    with pytest.raises(LimbeckError):
        find_layer(Reused(), "")


def test_two_taps_of_one_model_at_once_do_not_affect_each_other():
    net, x = nn.Sequential(nn.Linear(2, 3), nn.ReLU()), torch.randn(4, 2)
    with tapped(net, {"a": "0"}) as outer:
        with tapped(net, {"b": "1"}) as inner:
            net(x)
        assert hooks(net) == 1
    assert outer["a"].shape == inner["b"].shape == (4, 3)


def test_tapping_one_model_leaves_another_of_its_class_alone():
    one, other = Reused(), Reused()
    with tapped(one, {"a": "shared@0"}) as taps:
        other(torch.zeros(1, 2))
    with pytest.raises(LimbeckError, match="did not run"):
        taps["a"]


def test_layers_may_give_containers():
    net = nn.Sequential(nn.LSTM(2, 3, batch_first=True))
    with tapped(net, {"state": "0"}) as taps:
        net(torch.zeros(2, 4, 2))
    sequence, (hidden, _) = taps["state"]
    assert sequence.shape == (2, 4, 3)
    assert hidden.shape == (1, 2, 3)
