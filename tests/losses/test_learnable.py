"""Losses with networks of their own: stages, deployment, attention."""

import pytest
import torch

import reference.feature as derive
import reference.levels as derive_levels
from cases.learnable import copying
from laws.samples import random
from limbeck import losses


def parameters(loss):
    return {name: each.tolist() for name, each in loss.state_dict().items()}


def test_paraphraser_learns_to_give_back_the_teachers_maps():
    torch.manual_seed(0)
    loss, teacher = (
        losses.FactorTransfer(student_channels=2, teacher_channels=4).double(),
        random(0, (2, 4, 3, 4)).double(),
    )
    expected = derive.reconstruction(teacher.tolist(), parameters(loss))
    assert loss.preparation(teacher).item() == pytest.approx(expected, rel=1e-9)
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.05)
    for _ in range(40):
        optimizer.zero_grad()
        loss.preparation(teacher).backward()
        optimizer.step()
    assert loss.preparation(teacher).item() < 0.5 * expected


def test_each_stage_of_factor_transfer_teaches_its_own_part():
    loss = losses.FactorTransfer(student_channels=2, teacher_channels=4)
    student, teacher = random(1, (2, 2, 4, 4)), random(2, (2, 4, 4, 4))
    loss.preparation(teacher).backward()
    assert {name.split(".")[0] for name, each in loss.named_parameters() if each.grad is not None} == {
        "encoder",
        "decoder",
    }
    loss.zero_grad()
    loss(student, teacher).backward()
    assert {name.split(".")[0] for name, each in loss.named_parameters() if each.grad is not None} == {
        "translator"
    }


def test_attention_of_sem_ckd_adds_up_and_settles_on_the_nearest_layer_as_the_temperature_falls():
    student = [random(1, (3, 2, 4, 3)), random(2, (3, 3, 2, 2))]
    teacher = [random(3, (3, 3, 3, 4)), random(4, (3, 2, 3, 2)), random(5, (3, 4, 2, 1))]
    found = []
    for temperature in (1.0, 1e-4):
        torch.manual_seed(0)
        loss = losses.SemCKD([2, 3], [3, 2, 4], width=2, temperature=temperature)
        found.append(loss.attention(student, teacher))
        assert found[-1].shape == (3, 2, 3)
        torch.testing.assert_close(found[-1].sum(-1), torch.ones(3, 2))
    assert torch.equal(found[0].argmax(-1), found[1].argmax(-1))
    torch.testing.assert_close(found[1].amax(-1), torch.ones(3, 2))


def test_sem_ckd_learns_its_attention_and_not_only_its_projections():
    torch.manual_seed(0)
    loss = losses.SemCKD([2], [3, 2], width=2)
    loss([random(1, (4, 2, 3, 3))], [random(2, (4, 3, 3, 3)), random(3, (4, 2, 3, 3))]).backward()
    for part in (loss.queries, loss.keys, loss.projectors):
        assert all(each.grad.abs().sum() > 0 for each in part.parameters())


def test_projector_of_sim_kd_alone_gives_the_teachers_feature():
    torch.manual_seed(0)
    loss = losses.SimKD(student_channels=3, teacher_channels=4).eval()
    student = random(1, (2, 3, 4, 4))
    projected = loss.projector(student)
    assert projected.shape == (2, 4, 4, 4)
    assert loss(student, projected) == 0


def test_hierarchical_context_is_a_mean_of_means_at_each_resolution():
    ours, theirs = random(1, (2, 3, 5, 3)).double(), random(2, (2, 3, 5, 3)).double()
    found = losses.review_kd.hierarchical_context(ours, theirs).item()
    assert found == pytest.approx(
        derive_levels.hierarchical_context(ours.tolist(), theirs.tolist()), rel=1e-12
    )


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
def test_mask_of_mgd_hides_its_share_of_positions_from_all_channels(ratio):
    torch.manual_seed(0)
    loss = losses.MGD(teacher_channels=2, mask_ratio=ratio)
    with torch.no_grad():
        copying(loss)
    student = random(2, (8, 2, 16, 16)).requires_grad_()
    loss(student, random(1, (8, 2, 16, 16))).backward()
    hidden = (student.grad == 0).all(1)
    assert torch.equal(hidden, (student.grad == 0).any(1))
    assert hidden.float().mean().item() == pytest.approx(ratio, abs=0.05)
