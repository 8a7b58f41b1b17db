"""What is special to the overhaul of feature distillation beyond the laws."""

import pytest
import torch

from laws.samples import pair, random
from limbeck import losses
from limbeck.errors import LimbeckError
from limbeck.losses.overhaul_feature import margins_of

MAP = (2, 2, 3, 2)


def one(student, teacher, margins=None):
    """A map of one position and one channel."""
    each = [(torch.tensor([[[[value]]]]),) for value in (student, teacher)]
    return losses.OverhaulFeature(margins=margins)(*each).item()


@pytest.mark.parametrize(
    ("student", "teacher", "expected"),
    [
        (1.0, 3.0, 4.0),  # what fires is matched
        (5.0, 3.0, 4.0),
        (-1.0, 3.0, 16.0),
        (-9.0, -3.0, 0.0),  # what is off, and the student lower still, is left alone
        (-0.5, -3.0, 0.0),  # at the margin
        (1.0, -3.0, 2.25),  # too high: down to the margin
        (-0.1, -0.2, 0.01),  # off, but above its margin: down to itself
        (-0.3, -0.2, 0.0),
    ],
)
def test_partial_distance_to_what_passes_the_margin(student, teacher, expected):
    assert one(student, teacher, margins=[[-0.5]]) == pytest.approx(expected)


def test_margin_is_estimated_from_what_is_below_zero():
    teacher = random(2, MAP)
    below = [teacher[:, c][teacher[:, c] < 0].mean().item() for c in range(2)]
    student = random(1, MAP)
    given = losses.OverhaulFeature(margins=[below])((student,), (teacher,))
    torch.testing.assert_close(losses.OverhaulFeature()((student,), (teacher,)), given)


def test_after_a_relu_the_margin_is_zero():
    assert one(-4.0, 0.0) == 0
    assert one(2.0, 0.0) == 4


def test_each_level_counts_half_of_the_next():
    student, teacher = pair(MAP)
    loss = losses.OverhaulFeature()
    alone = loss((student,), (teacher,))
    for place in range(3):
        levels = [teacher] * 3
        levels[place] = student
        torch.testing.assert_close(loss(levels, [teacher] * 3), alone / 2 ** (2 - place))


def test_margins_of_a_batch_norm_are_the_means_of_its_negative_half():
    norm = torch.nn.BatchNorm2d(4)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, -2.0, 0.5, 3.0]))
        norm.bias.copy_(torch.tensor([0.0, 1.0, -1.0, 2.0]))
        out = norm(torch.randn(400, 4, 20, 20, generator=torch.Generator().manual_seed(0)))
    sampled = [out[:, c][out[:, c] < 0].mean().item() for c in range(4)]
    assert margins_of(norm.weight, norm.bias).tolist() == pytest.approx(sampled, rel=0.02)


def test_margins_are_finite_and_negative_at_extremes():
    weight = torch.tensor([0.0, 0.0, 0.0, 1e-8, 1.0, 1.0, 1e4])
    bias = torch.tensor([0.0, -3.0, 3.0, 5.0, 50.0, -50.0, 1.0])
    margins = margins_of(weight, bias)
    assert (margins <= 0).all()
    assert margins[[1, 5]].tolist() == pytest.approx([-3, -50])
    assert -0.03 < margins[4] < 0  # seldom below zero, and then by little


def test_margins_are_saved_and_move_but_are_not_trained():
    loss = losses.OverhaulFeature(margins=[[-1.0, -2.0], [-1.0]])
    assert set(loss.state_dict()) == {"margin0", "margin1"}
    assert not list(loss.parameters())
    assert loss.to("meta").margin0.is_meta


@pytest.mark.parametrize("margins", [[], 3, "low", [["low"]], [[0.5]], [0.5], [[float("nan")]], [[[-1.0]]]])
def test_refuses_what_are_no_margins(margins):
    with pytest.raises(LimbeckError, match="margins"):
        losses.OverhaulFeature(margins=margins)


def test_refuses_margins_of_other_levels_and_channels():
    student, teacher = pair(MAP)
    for margins in ([[-1.0, -1.0], [-1.0]], [[-1.0]]):
        with pytest.raises(LimbeckError, match="margins for"):
            losses.OverhaulFeature(margins=margins)((student,), (teacher,))
