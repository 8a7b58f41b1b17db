"""What METHODS.md says must be shown of MultiLevel beyond the laws."""

import pytest
import torch

from laws.samples import pair
from limbeck import losses
from limbeck.errors import LimbeckError
from limbeck.functional import gram_gaps


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("shape", [(6, 10), (4, 3, 7)])
def test_one_temperature_without_gram_terms_is_kd(temperature, shape):
    student, teacher = pair(shape)
    loss = losses.MultiLevel(temperatures=[temperature], batch_weight=0, class_weight=0)
    torch.testing.assert_close(loss(student, teacher), losses.KD(temperature=temperature)(student, teacher))


def test_is_a_mean_over_temperatures():
    student, teacher = (each.double() for each in pair((6, 10)))
    each = [losses.MultiLevel(temperatures=(t,))(student, teacher) for t in (2.0, 5.0)]
    torch.testing.assert_close(losses.MultiLevel(temperatures=(2.0, 5.0))(student, teacher), sum(each) / 2)


@pytest.mark.parametrize("shape", [(6, 10), (10, 6), (7, 7), (1, 5), (5, 2)])
def test_gram_terms_are_those_of_the_matrices_whichever_side_is_longer(shape):
    one, other = (each.double().softmax(1).requires_grad_() for each in pair(shape))
    direct = [(one @ one.T - other @ other.T).square().sum(), (one.T @ one - other.T @ other).square().sum()]
    for given, expected in zip(gram_gaps(one, other), direct, strict=True):
        torch.testing.assert_close(given, expected)
        gradients = [torch.autograd.grad(each, (one, other), retain_graph=True) for each in (given, expected)]
        torch.testing.assert_close(*gradients)


def test_gram_terms_are_exact_near_agreement():
    teacher = pair((64, 50))[1].double().softmax(1)
    student = teacher * (1 + 1e-4 * pair((64, 50))[0].double())
    exact = [each.item() for each in gram_gaps(student, teacher)]
    assert [each.item() for each in gram_gaps(student.float(), teacher.float())] == pytest.approx(
        exact, rel=1e-2
    )


@pytest.mark.parametrize("temperatures", [(), (2.0, 0.0), 4.0, None, ("4",)])
def test_temperatures_are_checked(temperatures):
    with pytest.raises(LimbeckError, match="temperatures"):
        losses.MultiLevel(temperatures=temperatures)
