"""How feature losses relate to one another, and parts of them against their derivations."""

import math

import pytest
import torch
import torch.nn.functional as F

import reference.feature as derive
import reference.levels as derive_levels
from cases.case import MAPS
from laws.samples import pair, random
from limbeck import adapters, losses
from limbeck.losses.review_kd import hierarchical_context


def maps(shape=MAPS):
    return [each.double() for each in pair(shape)]


def close(one, other, **tolerance):
    torch.testing.assert_close(one, other, **tolerance)


def test_nst_tells_channels_apart_by_where_they_look_and_not_by_their_order():
    student, _ = maps()
    assert losses.NST()(student.roll(1, 1), student).item() == pytest.approx(0, abs=1e-12)
    assert losses.FitNets()(student.roll(1, 1), student) > 1
    assert losses.NST()(student.roll(1, 2), student) > 1e-3


def test_overhaul_after_a_relu_is_fitnets_that_forgives_negative_students():
    student, teacher = maps()
    teacher = teacher.relu()
    forgiven = torch.where((teacher == 0) & (student < 0), 0, student)
    ours = losses.OverhaulFeature(margins=[[0.0] * teacher.shape[1]])((student,), (teacher,))
    close(ours, losses.FitNets()(forgiven, teacher))


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


def test_paraphraser_is_held_to_its_derivation():
    torch.manual_seed(0)
    loss, teacher = losses.FactorTransfer(2, 4).double(), random(0, (2, 4, 3, 4)).double()
    parameters = {name: each.tolist() for name, each in loss.state_dict().items()}
    assert loss.preparation(teacher).item() == pytest.approx(
        derive.reconstruction(teacher.tolist(), parameters), rel=1e-9
    )


@pytest.mark.parametrize("size", [(5, 3), (4, 4), (1, 1), (8, 2)])
def test_hierarchical_context_is_held_to_its_derivation(size):
    ours, theirs = (random(seed, (2, 3, *size)).double() for seed in (1, 2))
    expected = derive_levels.hierarchical_context(ours.tolist(), theirs.tolist())
    assert hierarchical_context(ours, theirs).item() == pytest.approx(expected, rel=1e-12)
