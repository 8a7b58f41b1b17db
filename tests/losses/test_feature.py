"""How feature losses relate to one another, and what their papers say beyond the laws."""

import math

import pytest
import torch
import torch.nn.functional as F

import reference.feature as derive
from cases.case import MAPS
from laws.samples import pair, random
from limbeck import adapters, losses
from limbeck.errors import LimbeckError
from limbeck.losses.overhaul_feature import margins_of


def maps(shape=MAPS):
    return [each.double() for each in pair(shape)]


def close(one, other, **tolerance):
    torch.testing.assert_close(one, other, **tolerance)


def test_cwd_is_kd_with_a_row_for_each_channel_and_a_class_for_each_position():
    student, teacher = maps()
    rows = [each.flatten(2).flatten(0, 1) for each in (student, teacher)]
    for temperature in (1.0, 4.0):
        close(losses.CWD(temperature)(student, teacher), losses.KD(temperature)(*rows))


def test_pkd_is_one_less_the_correlation_of_each_channel():
    student, teacher = maps()
    rows = [each.transpose(0, 1).flatten(1) for each in (student, teacher)]
    correlation = torch.stack([torch.corrcoef(torch.stack(each))[0, 1] for each in zip(*rows, strict=True)])
    close(losses.PKD()(student, teacher), (1 - correlation).mean(), rtol=1e-6, atol=0)


def test_nst_tells_channels_apart_by_where_they_look_and_not_by_their_order():
    student, _ = maps()
    assert losses.NST()(student.roll(1, 1), student).item() == pytest.approx(0, abs=1e-12)
    assert losses.FitNets()(student.roll(1, 1), student) > 1
    assert losses.NST()(student.roll(1, 2), student) > 1e-3


def test_attention_of_one_positive_channel_is_the_angle_between_maps():
    student, teacher = (each.abs()[:, :1] for each in maps())
    cosine = F.cosine_similarity(student.flatten(1), teacher.flatten(1)).mean()
    close(losses.AttentionTransfer(power=1)(student, teacher), 2 - 2 * cosine)


def test_attention_is_pooled_along_both_axes():
    """PITFALLS 19: public code resizes by the height alone."""
    teacher = maps((2, 3, 4, 6))[1]
    for shape in ((2, 5, 8, 6), (2, 5, 4, 12), (2, 5, 2, 12)):
        student = random(1, shape).double()
        expected = derive.attention_transfer(student.tolist(), teacher.tolist())
        assert losses.AttentionTransfer()(student, teacher).item() == pytest.approx(expected)


def test_overhaul_after_a_relu_is_fitnets_that_forgives_negative_students():
    student, teacher = maps()
    teacher = teacher.relu()
    forgiven = torch.where((teacher == 0) & (student < 0), 0, student)
    ours = losses.OverhaulFeature(margins=[[0.0] * teacher.shape[1]])((student,), (teacher,))
    close(ours, losses.FitNets()(forgiven, teacher))


def test_margin_is_the_mean_of_a_normal_variable_below_zero():
    for weight, bias in ((1.0, 0.0), (2.0, 1.0), (-0.5, -3.0), (1.0, 2.5)):
        x = torch.linspace(bias - 12 * abs(weight), 0, 200_001, dtype=torch.float64)
        density = torch.exp(-0.5 * ((x - bias) / weight) ** 2)
        expected = (x * density).sum() / density.sum()
        found = margins_of(torch.tensor([weight]).double(), torch.tensor([bias]).double())
        assert found.item() == pytest.approx(expected.item(), rel=1e-3)


def test_margin_is_finite_for_channels_that_are_never_or_always_below_zero():
    found = margins_of(torch.tensor([1.0, 1.0, 0.0, 0.0]), torch.tensor([80.0, -80.0, 3.0, -3.0]))
    assert torch.isfinite(found).all()
    assert (found <= 0).all()
    assert found[1].item() == pytest.approx(-80, rel=1e-3)
    assert found[3].item() == pytest.approx(-3, rel=1e-3)


def test_margins_are_kept_in_the_state_and_follow_the_loss():
    loss = losses.OverhaulFeature(margins=[torch.tensor([-1.0, -2.0])])
    assert [each.tolist() for each in loss.state_dict().values()] == [[-1.0, -2.0]]
    with pytest.raises(LimbeckError, match="OverhaulFeature"):
        loss((random(0, (2, 3, 2, 2)),), (random(1, (2, 3, 2, 2)),))


def test_activation_boundary_is_content_with_a_sign_and_a_margin():
    teacher = maps()[1]
    assert losses.ActivationBoundary(margin=0.5)(0.5 * teacher.sign(), teacher) == 0
    assert losses.ActivationBoundary(margin=0.5)(0.4 * teacher.sign(), teacher) > 0


def test_variances_of_vid_start_where_told_and_tell_predictable_channels_from_noise():
    loss = losses.VID(teacher_channels=2, variance=3.0)
    close(loss.variance, torch.full((2,), 3.0))
    teacher = random(0, (64, 2))
    student = torch.stack([teacher[:, 0], random(1, (64,))], 1)
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.2)
    for _ in range(60):
        optimizer.zero_grad()
        loss(student, teacher).backward()
        optimizer.step()
    known, noise = loss.variance.tolist()
    assert known < 0.1
    assert noise > 2


def test_vid_at_its_best_variance_is_the_log_of_the_mean_squared_error():
    student, teacher = maps()
    error = (student - teacher).square().mean((0, 2, 3))
    loss = losses.VID(teacher_channels=MAPS[1]).double()
    with torch.no_grad():
        loss.rho.copy_((error - loss.eps).expm1().log())
    close(loss(student, teacher), 0.5 * (error.log() + 1).mean())
    loss(student, teacher).backward()
    assert loss.rho.grad.abs().max() < 1e-9


def test_vkd_against_a_standardised_teacher_is_fitnets():
    student, teacher = (each.double() for each in pair((6, 8)))
    level = F.layer_norm(teacher, (8,))
    close(losses.VkD()(student, teacher), losses.FitNets()(student, level))


def test_vkds_projection_keeps_orthonormal_columns_in_training():
    torch.manual_seed(0)
    projection, loss = adapters.Orthogonal(5, 8), losses.VkD()
    optimizer = torch.optim.Adam(projection.parameters(), lr=0.1)
    student, teacher = random(1, (16, 5)), random(2, (16, 8))
    values = []
    for _ in range(20):
        optimizer.zero_grad()
        value = loss(projection(student), teacher)
        value.backward()
        optimizer.step()
        values.append(value.item())
        lengths = projection(torch.eye(5)) - projection(torch.zeros(1, 5))
        close(lengths @ lengths.T, torch.eye(5), rtol=0, atol=1e-5)
    assert values[-1] < values[0]


def test_fsp_sees_the_flow_and_not_a_change_that_both_layers_share():
    first, last = maps((4, 3, 4, 4)), maps((4, 5, 4, 4))
    turn = random(3, (16, 16)).double()
    turn, _ = torch.linalg.qr(turn)
    turned = [(each.flatten(2) @ turn).view_as(each) for each in (first[0], last[0])]
    assert losses.FSP()(turned, (first[0], last[0])).item() == pytest.approx(0, abs=1e-12)
    assert not math.isclose(losses.FSP()((first[0], last[0]), (first[1], last[1])).item(), 0)


@pytest.mark.parametrize(("dtype", "scale"), [(torch.bfloat16, 1e3), (torch.float16, 30.0)])
def test_fsp_is_finite_as_far_as_its_gradient_fits_the_precision(dtype, scale):
    layers = [scale * random(seed, (4, 3, 4, 4)).sign().to(dtype).requires_grad_() for seed in (1, 2)]
    teacher = [scale * random(seed, (4, 3, 4, 4)).sign().to(dtype) for seed in (3, 4)]
    with torch.autocast("cpu", dtype):
        value = losses.FSP()(layers, teacher)
    assert value.dtype == torch.float32
    assert all(torch.isfinite(each).all() for each in torch.autograd.grad(value, layers))
