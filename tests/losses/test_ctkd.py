"""What METHODS.md says must be shown of CTKD beyond the laws."""

import pytest
import torch

from laws.samples import pair
from limbeck import losses
from limbeck.errors import LimbeckError
from limbeck.types import Context, Progress


def at(fraction):
    return Context(progress=Progress(step=round(1000 * fraction), total_steps=1000))


def test_temperature_is_trained_and_moves_so_as_to_raise_the_loss():
    student, teacher = pair((6, 10))
    loss = losses.CTKD()
    optimizer = torch.optim.SGD(loss.parameters(), lr=1.0)
    temperatures, values = [loss.temperature.item()], []
    for _ in range(20):
        optimizer.zero_grad()
        value = loss(student, teacher)
        value.backward()
        optimizer.step()
        values.append(value.item())
        temperatures.append(loss.temperature.item())
    assert temperatures[0] != temperatures[-1]
    assert values == sorted(values)
    assert values[-1] > values[0]


def test_gradient_of_the_temperature_is_reversed_and_that_of_the_student_is_not():
    student, teacher = (each.double() for each in pair((6, 10)))
    loss = losses.CTKD().double()
    value = loss(student.requires_grad_(), teacher)
    value.backward()
    plain = losses.KD(temperature=loss.temperature.item())
    leaf = student.detach().clone().requires_grad_()
    plain(leaf, teacher).backward()
    torch.testing.assert_close(student.grad, leaf.grad)
    step, rates = 1e-6, []
    for sign in (1, -1):
        with torch.no_grad():
            loss.theta += sign * step
            rates.append(loss(student, teacher).item())
            loss.theta -= sign * step
    assert loss.theta.grad.item() == pytest.approx(-(rates[0] - rates[1]) / (2 * step), rel=1e-5)


def test_reversal_sets_in_as_a_cosine():
    loss = losses.CTKD(ramp=0.4)
    strengths = [loss.strength(at(fraction)) for fraction in (0, 0.1, 0.2, 0.3, 0.4, 0.7, 1)]
    assert strengths == pytest.approx([0, 0.1464, 0.5, 0.8536, 1, 1, 1], abs=1e-4)
    student, teacher = pair((6, 10))
    gradients = []
    for context in (at(0), at(0.2), None):
        loss.theta.grad = None
        loss(student, teacher, context).backward()
        gradients.append(loss.theta.grad.item())
    assert gradients[0] == 0
    assert gradients[1] == pytest.approx(0.5 * gradients[2])


@pytest.mark.parametrize("context", [None, Context(), at(0)])
def test_without_progress_or_ramp_the_reversal_is_at_full_strength(context):
    assert losses.CTKD(ramp=0).strength(context) == 1
    assert losses.CTKD().strength(context) == (0 if context and context.progress else 1)


def test_temperature_stays_between_its_bounds():
    loss = losses.CTKD(lowest=2, highest=6)
    for theta in (-1e4, 0.0, 1e4):
        with torch.no_grad():
            loss.theta.fill_(theta)
        assert 2 <= loss.temperature.item() <= 6
    with pytest.raises(LimbeckError, match="highest"):
        losses.CTKD(lowest=5, highest=4)


def test_one_temperature_alone_is_kd():
    student, teacher = pair((6, 10))
    torch.testing.assert_close(
        losses.CTKD(lowest=4, highest=4)(student, teacher), losses.KD(temperature=4)(student, teacher)
    )


def test_temperature_travels_with_the_state():
    loss, other = losses.CTKD(), losses.CTKD()
    with torch.no_grad():
        loss.theta.fill_(-2.0)
    other.load_state_dict(loss.state_dict())
    assert other.temperature == loss.temperature
