"""Bridges bring shapes where they say, keep what they should, and refuse the rest in words."""

import pytest
import torch
from torch import nn

from limbeck.adapters import ChannelsFirst, Conv, Linear, MapToTokens, Orthogonal, Pool, Resize, TokensToMap
from limbeck.errors import LimbeckError


def test_tokens_become_a_map_row_by_row_without_the_prefix():
    tokens = torch.arange(1 + 6, dtype=torch.float32).reshape(1, 7, 1)
    laid = TokensToMap(prefix=1, size=(2, 3))(tokens)
    assert laid.tolist() == [[[[1, 2, 3], [4, 5, 6]]]]


def test_map_to_tokens_is_undone_by_tokens_to_map():
    maps = torch.randn(2, 5, 3, 4)
    assert torch.equal(TokensToMap(prefix=0, size=(3, 4))(MapToTokens()(maps)), maps)


def test_square_grids_need_no_size():
    assert TokensToMap(prefix=2)(torch.zeros(1, 2 + 16, 8)).shape == (1, 8, 4, 4)


@pytest.mark.parametrize(
    ("adapter", "tokens"),
    [
        (TokensToMap(prefix=0), 17),
        (TokensToMap(prefix=1), 16),
        (TokensToMap(prefix=1), 1),
        (TokensToMap(prefix=5), 3),
        (TokensToMap(prefix=0, size=(3, 4)), 16),
    ],
)
def test_tokens_that_are_no_such_grid_are_refused(adapter, tokens):
    with pytest.raises(LimbeckError, match=f"{tokens} tokens are no .*set prefix"):
        adapter(torch.zeros(1, tokens, 8))


def test_channels_first_moves_the_last_axis():
    maps = torch.randn(2, 3, 4, 5)
    assert torch.equal(ChannelsFirst()(maps)[1, 2], maps[1, ..., 2])


def test_resize_averages_what_shrinks_and_interpolates_what_grows():
    maps = torch.randn(2, 3, 4, 4)
    assert torch.allclose(Resize(1)(maps)[..., 0, 0], maps.mean((2, 3)))
    assert torch.allclose(Resize((2, 4))(maps), maps.unflatten(2, (2, 2)).mean(3))
    grown = Resize((8, 8))(torch.full((1, 1, 2, 2), 3.0))
    assert torch.equal(grown, torch.full((1, 1, 8, 8), 3.0))
    assert Resize((2, 9))(maps).shape == (2, 3, 2, 9)


def test_resize_leaves_a_map_of_its_size_alone():
    maps = torch.randn(2, 3, 4, 5)
    assert Resize((4, 5))(maps) is maps


def test_pool_averages_places_and_patches():
    maps, tokens, vectors = torch.randn(2, 3, 4, 5), torch.randn(2, 1 + 4, 3), torch.randn(2, 3)
    assert torch.allclose(Pool()(maps), maps.mean((2, 3)))
    assert torch.allclose(Pool(prefix=1)(tokens), tokens[:, 1:].mean(1))
    assert Pool()(vectors) is vectors


def test_linear_takes_vectors_and_tokens():
    bridge = Linear(3, 7)
    vectors = torch.randn(2, 3)
    assert torch.equal(bridge(vectors), bridge.project(vectors))
    assert bridge(torch.randn(2, 5, 3)).shape == (2, 5, 7)


@pytest.mark.parametrize("size", [None, 2, (3, 5), (8, 8), (2, 9)])
def test_conv_gives_the_teachers_width_and_size(size):
    bridge = Conv(3, 7, size=size)
    out = bridge(torch.randn(4, 3, 4, 4))
    expected = {None: (4, 4), 2: (2, 2)}.get(size, size)
    assert out.shape == (4, 7, *expected)
    assert torch.allclose(out.mean((0, 2, 3)), torch.zeros(7), atol=1e-5)


def test_conv_without_norm_has_a_bias_and_takes_one_sample_of_one_place():
    plain = Conv(3, 7, norm=False)
    assert [name for name, _ in plain.named_parameters()] == ["project.weight", "project.bias"]
    assert plain(torch.randn(1, 3, 1, 1)).shape == (1, 7, 1, 1)


def test_conv_refuses_to_normalise_one_value():
    bridge = Conv(3, 7)
    with pytest.raises(LimbeckError, match="norm=False"):
        bridge(torch.randn(1, 3, 1, 1))
    assert bridge.eval()(torch.randn(1, 3, 1, 1)).shape == (1, 7, 1, 1)


@pytest.mark.parametrize("bridge", [Linear(3, 5), Conv(3, 5)])
def test_what_is_learnt_is_in_parameters_and_state(bridge):
    x = torch.randn(4, 3) if isinstance(bridge, Linear) else torch.randn(4, 3, 2, 2)
    bridge(x).square().sum().backward()
    assert all(each.grad is not None for each in bridge.parameters())
    assert set(dict(bridge.named_parameters())) <= set(bridge.state_dict())


@pytest.mark.parametrize("adapter", [TokensToMap(), MapToTokens(), ChannelsFirst(), Resize(2), Pool()])
def test_layouts_and_sizes_have_nothing_to_learn(adapter):
    assert not adapter.state_dict()


@pytest.mark.parametrize(
    ("adapter", "wrong"),
    [
        (TokensToMap(), torch.zeros(2, 3)),
        (MapToTokens(), torch.zeros(2, 3, 4)),
        (ChannelsFirst(), torch.zeros(2, 3)),
        (Resize(2), torch.zeros(2, 3)),
        (Pool(), torch.zeros(2)),
        (Linear(3, 4), torch.zeros(2, 3, 4, 5)),
        (Conv(3, 4), torch.zeros(2, 3)),
    ],
)
def test_wrong_layout_is_refused_by_name(adapter, wrong):
    with pytest.raises(LimbeckError, match=f"{type(adapter).__name__} reads"):
        adapter(wrong)


def test_several_outputs_are_refused_with_the_way_to_one():
    with pytest.raises(LimbeckError, match=r"gives a tuple.*@out\.0"):
        Conv(3, 4)((torch.zeros(1, 3, 2, 2), None))


@pytest.mark.parametrize(("bridge", "wrong"), [(Linear(3, 4), (2, 5)), (Conv(3, 4), (2, 5, 2, 2))])
def test_other_width_is_refused_with_the_right_setting(bridge, wrong):
    with pytest.raises(LimbeckError, match="student_channels=5"):
        bridge(torch.zeros(wrong))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Linear(0, 3),
        lambda: Linear(3, 2.5),
        lambda: Conv(3, True),
        lambda: Conv(3, 4, size=0),
        lambda: Conv(3, 4, size=(2, 3, 4)),
        lambda: Resize((2, -1)),
        lambda: Resize("7"),
        lambda: TokensToMap(prefix=-1),
        lambda: Pool(prefix=1.5),
    ],
)
def test_setting_out_of_range_is_refused(make):
    with pytest.raises(LimbeckError, match="not"):
        make()


def test_settings_show_in_repr():
    told = repr(
        nn.ModuleList([Conv(3, 4, size=2), Resize(3), TokensToMap(2, (3, 4)), Pool(1), Orthogonal(3, 4)])
    )
    for each in ("size=(2, 2)", "size=(3, 3)", "prefix=2, size=(3, 4)", "prefix=1", "3, 4"):
        assert each in told
