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


class Residual(nn.Module):
    """Adds to what its convolution gave, in place, and rectifies it in place."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.norm(x)
        y += x
        return self.act(y)


def hooks(model):
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


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


@pytest.mark.parametrize("which", ["2", "-3"])
def test_call_that_was_not_made_is_refused(which):
    net = Reused()
    with tapped(net, {"it": f"shared@{which}"}) as taps:
        net(torch.zeros(1, 2))
    with pytest.raises(LimbeckError, match="shared"):
        taps["it"]


@pytest.mark.parametrize("mark", ["one", "1.0", "", "in.", "out.", "--1", "copy.1", "into"])
def test_mark_that_means_nothing_is_refused_before_the_model_runs(mark):
    net = Reused()
    with pytest.raises(LimbeckError, match=r"@out\.0"), tapped(net, {"it": f"shared@{mark}"}):
        pass
    assert hooks(net) == 0


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
    with pytest.raises(LimbeckError, match=r"Did you mean 'shared' or 'spare'\?"):
        find_layer(Reused(), "shard")
    with pytest.raises(LimbeckError, match="spare"):
        find_layer(Reused(), "zzzzzz")
    with pytest.raises(LimbeckError):
        find_layer(Reused(), "")


def test_unknown_layer_of_a_deep_net_is_refused_with_a_few_near_names():
    net = nn.Sequential()
    for number in range(9):
        net.add_module(f"layer{number}", nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(LimbeckError) as told:
        find_layer(net, "layer9")
    assert 3 <= str(told.value).count("'layer") - 1 <= 5
    with pytest.raises(LimbeckError, match=r"'layer2\.0'"):  # as an outer module would call it
        find_layer(net, "some.very.long.way.to.backbone.layer2.0")


def test_input_of_a_layer_can_be_tapped():
    net, x = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)), torch.randn(4, 2)
    with tapped(net, {"embedding": "2@in", "input": "0@in"}) as taps:
        net(x)
    assert torch.equal(taps["embedding"], net[1](net[0](x)))
    assert taps["input"] is x
    assert hooks(net) == 0
    taps["embedding"].sum().backward()
    assert net[0].weight.grad is not None


def test_input_of_one_of_several_calls():
    net, x = Reused(), torch.randn(3, 2)
    at = {"first": "shared@in@0", "second": "shared@1@in", "last": "shared@in@-1", "any": "shared@in"}
    with tapped(net, at) as taps:
        net(x)
    assert taps["first"] is x
    assert torch.equal(taps["second"], net.shared(x).relu())
    assert taps["last"] is not None
    with pytest.raises(LimbeckError, match=r"2 times.*shared@in@0"):
        taps["any"]


def test_input_of_an_inplace_layer_is_what_it_read():
    net, x = nn.Sequential(nn.Linear(2, 3), nn.ReLU(inplace=True)), torch.randn(4, 2)
    with tapped(net, {"before": "1@in", "after": "1"}) as taps:
        net(x)
    assert torch.equal(taps["before"], net[0](x))
    assert torch.equal(taps["after"], net[0](x).relu())
    taps["before"].sum().backward()
    assert torch.equal(net[0].bias.grad, torch.full((3,), 4.0))  # no gradient was masked by the ReLU


def test_input_given_by_name_and_further_inputs():
    net, x = nn.Bilinear(2, 3, 4), (torch.randn(5, 2), torch.randn(5, 3))
    with tapped(nn.Sequential(net), {"first": "0@in", "second": "0@in.1"}) as taps:
        net(input1=x[0], input2=x[1])
        assert taps["first"] is x[0]
        assert taps["second"] is x[1]
    with pytest.raises(LimbeckError, match="no part '2'"), tapped(nn.Sequential(net), {"third": "0@in.2"}):
        net(*x)


def test_output_that_is_changed_in_place_is_refused_and_told_how_to_keep():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(inplace=True))
    for context in (torch.enable_grad(), torch.no_grad()):
        with context, tapped(net, {"it": "0", "kept": "0@copy"}) as taps:
            net(torch.randn(4, 2))
        with pytest.raises(LimbeckError, match=r"'0' names was changed in place.*tap 0@copy"):
            taps["it"]
        assert (taps["kept"] < 0).any()


def test_copy_keeps_what_a_functional_change_would_overwrite():
    net, x = Residual().eval(), torch.randn(4, 3)
    with tapped(net, {"norm": "norm", "copy": "norm@copy", "sum": "act@in"}) as taps:
        y = net(x)
    assert torch.equal(taps["copy"], net.norm(x))
    assert torch.equal(taps["sum"], net.norm(x) + x)
    assert torch.equal(y, (net.norm(x) + x).relu())
    with pytest.raises(LimbeckError, match="changed in place"):
        taps["norm"]


def test_tap_copies_nothing_where_nothing_is_changed():
    net, x = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Flatten()), torch.randn(4, 2)
    with tapped(net, {"in": "1@in", "out": "1", "end": "2"}) as taps:
        y = net(x)
    assert taps["end"] is y
    assert taps["out"].data_ptr() == y.data_ptr()
    assert taps["in"].grad_fn is not None
    assert "Clone" not in type(taps["in"].grad_fn).__name__


def test_inference_mode_keeps_no_versions_and_is_not_refused():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    with torch.inference_mode(), tapped(net, {"it": "0"}) as taps:
        net(torch.randn(4, 2))
    assert taps["it"].shape == (4, 3)


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


def test_part_of_several_outputs():
    net = nn.Sequential(nn.LSTM(2, 3, batch_first=True))
    with tapped(net, {"sequence": "0@out.0", "state": "0@out.1@copy"}) as taps:
        net(torch.zeros(2, 4, 2))
    assert taps["sequence"].shape == (2, 4, 3)
    assert [tuple(each.shape) for each in taps["state"]] == [(1, 2, 3), (1, 2, 3)]
    with pytest.raises(LimbeckError, match="gives 2 parts, and no part '2'"), tapped(net, {"no": "0@out.2"}):
        net(torch.zeros(2, 4, 2))
    assert hooks(net) == 0


def test_part_of_one_tensor_is_refused_rather_than_a_sample():
    net = nn.Sequential(nn.Linear(2, 3))
    with pytest.raises(LimbeckError, match="one tensor"), tapped(net, {"it": "0@out.0"}):
        net(torch.zeros(4, 2))


def test_part_of_a_mapping():
    class Named(nn.Module):
        def forward(self, x):
            return {"last.hidden": x, "pooled": x.mean(1)}

    net = nn.Sequential(Named())
    with tapped(net, {"pooled": "0@out.pooled", "hidden": "0@out.last.hidden"}) as taps:
        net(torch.ones(2, 3, 4))
    assert taps["pooled"].shape == (2, 4)
    assert taps["hidden"].shape == (2, 3, 4)
    with pytest.raises(LimbeckError, match=r"the parts last\.hidden, pooled"), tapped(net, {"no": "0@out.x"}):
        net(torch.ones(2, 3, 4))


def test_what_goes_into_a_network_without_layers_is_tapped_too():
    net, x = nn.Linear(2, 3), torch.ones(1, 2)
    with tapped(net, {"in": "@in"}) as taps:
        net(x)
    assert torch.equal(taps["in"], x)
