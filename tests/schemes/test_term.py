"""A term wires one output of the student to one of the teacher."""

import pytest
import torch
from torch import nn

from limbeck import LimbeckError, Outputs, Term, losses
from limbeck.losses import DistillationLoss
from limbeck.types import Context, Progress

ONE, OTHER = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
STUDENT = Outputs(logits=ONE, hidden=torch.ones(1, 3))
TEACHER = Outputs(logits=OTHER, guide=torch.zeros(1, 2))


def test_term_is_its_weight_times_its_loss():
    loss = losses.KD(temperature=2)
    found = Term(loss, weight=0.25)(STUDENT, TEACHER, Context())
    assert found.item() == pytest.approx(0.25 * loss(ONE, OTHER).item())


def test_term_of_two_layers_goes_through_its_adapter():
    adapter = nn.Linear(3, 2)
    term = Term(losses.LogitRegression(), student="hidden", teacher="guide", adapter=adapter)
    found = term(STUDENT, TEACHER, Context())
    assert found.item() == pytest.approx(0.5 * adapter(torch.ones(1, 3)).square().sum().item(), rel=1e-5)
    assert {id(each) for each in term.parameters()} == {id(each) for each in adapter.parameters()}


def test_schedule_is_asked_at_every_call():
    progress = Progress(step=0, total_steps=4)
    term = Term(losses.LogitRegression(), weight=lambda now: 1 - now.fraction)
    values = []
    for step in range(5):
        progress.step = step
        values.append(term(STUDENT, TEACHER, Context(progress=progress)).item())
    assert values == pytest.approx([values[0] * share for share in (1, 0.75, 0.5, 0.25, 0)])


@pytest.mark.parametrize("weight", [-1, -1e-9, float("nan"), float("inf"), "1", None, True, torch.ones(2)])
def test_weight_must_be_a_finite_number_of_at_least_zero(weight):
    with pytest.raises(LimbeckError, match="weight"):
        Term(losses.KD(), weight=weight)


@pytest.mark.parametrize("loss", [losses.KD, "KD", None])
def test_loss_must_be_a_loss(loss):
    with pytest.raises(LimbeckError, match="loss"):
        Term(loss)


def test_unknown_output_is_refused_with_a_near_name():
    with pytest.raises(KeyError, match="hidden"):
        Term(losses.KD(), student="hiden")(STUDENT, TEACHER, Context())


class Needy(DistillationLoss):
    needs = frozenset({"targets", "index"})

    def forward(self, student, teacher, context=None):
        return student.sum() * context.index.sum()


def test_loss_gets_what_it_declares_to_need_or_says_what_is_missing():
    term = Term(Needy())
    full = Context(targets=torch.zeros(1), index=torch.tensor([3]))
    assert term(STUDENT, TEACHER, full).item() == 3
    with pytest.raises(LimbeckError, match=r"Needy.*index"):
        term(STUDENT, TEACHER, Context(targets=torch.zeros(1)))


def test_name_is_the_losses_unless_told():
    assert Term(losses.KD()).name == "KD"
    assert Term(losses.KD(), name="soft").name == "soft"
