"""A term wires one output of the student to one of the teacher."""

import pytest
import torch
from torch import nn

from limbeck import LimbeckError, Outputs, Term, losses
from limbeck.losses import DistillationLoss
from limbeck.schemes.schedule import Linear
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


class Sums(DistillationLoss):
    """Reads several layers."""

    several = True

    def forward(self, student, teacher, context=None):
        return sum((a - b).square().sum() for a, b in zip(student, teacher, strict=True))


GROUP = Outputs(a=torch.ones(1, 2), b=torch.ones(1, 3))
TAUGHT = Outputs(a=torch.zeros(1, 2), b=torch.zeros(1, 4))


def test_group_of_layers_goes_through_an_adapter_each():
    adapters = [None, nn.Linear(3, 4)]
    term = Term(Sums(), ("a", "b"), ("a", "b"), adapter=adapters)
    expected = 2 + adapters[1](torch.ones(1, 3)).square().sum().item()
    assert term(GROUP, TAUGHT, Context()).item() == pytest.approx(expected, rel=1e-5)
    assert len(list(term.parameters())) == 2


@pytest.mark.parametrize(
    ("loss", "names", "said"),
    [(Sums(), "a", "reads several layers"), (losses.KD(), ("a", "b"), "reads one layer")],
)
def test_group_where_one_is_read_and_the_reverse_are_refused(loss, names, said):
    with pytest.raises(LimbeckError, match=said):
        Term(loss, names, names)


def test_as_many_adapters_as_layers():
    with pytest.raises(LimbeckError, match="2 layers, so it takes as many adapters, not 1"):
        Term(Sums(), ("a", "b"), ("a", "b"), adapter=[None])


def test_teachers_adapter_lays_its_tensor_out():
    term = Term(losses.LogitRegression(), "a", "a", teacher_adapter=nn.Flatten(0))
    wide = Outputs(a=torch.zeros(1, 2, 1))
    assert term(Outputs(a=torch.zeros(2)), wide, Context()).item() == 0


def test_layers_that_do_not_fit_are_named_with_what_would_bridge_them():
    maps = Outputs(layer3=torch.zeros(2, 8, 4, 4)), Outputs(layer4=torch.zeros(2, 16, 2, 2))
    with pytest.raises(LimbeckError) as refusal:
        Term(losses.FitNets(), "layer3", "layer4")(*maps, Context())
    said = str(refusal.value)
    assert "'layer3' gives (2, 8, 4, 4)" in said
    assert "'layer4' (2, 16, 2, 2)" in said
    assert "limbeck.adapters.Conv(8, 16, size=(2, 2))" in said


def test_any_other_refusal_of_a_loss_names_the_layers_too():
    with pytest.raises(LimbeckError, match="student's 'a' from teacher's 'a'"):
        Term(losses.AttentionTransfer(), "a", "a")(GROUP, TAUGHT, Context())


def test_settings_of_the_loss_follow_their_schedules():
    loss = losses.KD(temperature=8)
    term = Term(loss, schedules={"temperature": Linear(8, 2)})
    for step, temperature in ((0, 8), (1, 5), (2, 2)):
        now = Context(progress=Progress(step=step, total_steps=2))
        expected = losses.KD(temperature=temperature)(ONE, OTHER).item()
        assert term(STUDENT, TEACHER, now).item() == pytest.approx(expected)


def test_only_numbers_go_on_a_schedule():
    with pytest.raises(LimbeckError, match="no numeric setting 'tempo'"):
        Term(losses.KD(), schedules={"tempo": Linear(8, 1)})


class Given(nn.Module):
    """A loss of a person's own."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, student, teacher, context):
        return self.value if self.value is not None else student.square().mean()


@pytest.mark.parametrize("value", [torch.zeros(3), 0.5, [torch.zeros(())]])
def test_a_loss_that_gives_no_single_number_is_refused(value):
    with pytest.raises(LimbeckError, match="Given must give one number as a tensor"):
        Term(Given(value))(STUDENT, TEACHER, Context())


def test_a_loss_of_two_arguments_is_refused_when_the_term_is_made():
    with pytest.raises(LimbeckError, match=r"MSELoss must be called with \(student, teacher, context\)"):
        Term(nn.MSELoss())


@pytest.mark.parametrize("loss", [losses.KD(), losses.LogitRegression(), Given(None)])
@pytest.mark.parametrize("whose", ["student", "teacher"])
def test_a_layer_that_gives_several_tensors_is_named_with_the_way_out(loss, whose):
    several = Outputs(logits=[ONE, ONE])
    pair = (several, TEACHER) if whose == "student" else (STUDENT, several)
    if isinstance(loss, Given) and whose == "teacher":
        assert Term(loss)(*pair, Context()) > 0  # a loss of one's own may read what it likes
        return
    with pytest.raises(LimbeckError, match=f"the {whose}'s 'logits' gives a list: name .* logits@out.0"):
        Term(loss)(*pair, Context())


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), "1", None])
def test_schedules_that_leave_the_range_are_refused(value):
    with pytest.raises(LimbeckError, match="schedule of KD's weight must give finite numbers of at least 0"):
        Term(losses.KD(), weight=lambda _: value)(STUDENT, TEACHER, Context())
    with pytest.raises(LimbeckError, match="schedule of KD's temperature must give finite numbers above 0"):
        Term(losses.KD(), schedules={"temperature": lambda _: value})(STUDENT, TEACHER, Context())


def test_a_temperature_is_not_led_to_zero():
    with pytest.raises(LimbeckError, match="temperature must give finite numbers above 0, not 0"):
        Term(losses.KD(), schedules={"temperature": lambda _: 0.0})(STUDENT, TEACHER, Context())


@pytest.mark.parametrize("given", [3, "linear(8, 1)"])
def test_a_schedule_that_is_no_function_is_refused_when_the_term_is_made(given):
    with pytest.raises(LimbeckError, match="schedule of KD's temperature is a function"):
        Term(losses.KD(), schedules={"temperature": given})
