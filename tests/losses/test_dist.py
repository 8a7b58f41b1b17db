"""What METHODS.md says must be shown of DIST beyond the laws."""

import pytest
import torch

from laws.samples import pair
from limbeck import losses
from limbeck.errors import LimbeckError
from limbeck.functional import pearson


@pytest.fixture
def predictions():
    return [each.double().softmax(1) for each in pair((6, 10))]


def positive_affine(predictions, dim):
    """Another scale above 0 and another shift for each row (``dim`` 1) or column (0)."""
    count = torch.arange(1.0, predictions.shape[1 - dim] + 1).double().unsqueeze(dim)
    return count * predictions + 3 - count


@pytest.mark.parametrize("dim", [0, 1])
def test_each_term_is_blind_to_positive_affine_maps_of_its_own_axis_only(predictions, dim):
    student, teacher = predictions
    changed = positive_affine(teacher, dim)
    torch.testing.assert_close(pearson(student, changed, dim), pearson(student, teacher, dim))
    assert not torch.allclose(
        pearson(student, changed, 1 - dim), pearson(student, teacher, 1 - dim), atol=1e-3
    )


def test_is_one_minus_the_mean_correlation_of_rows_and_of_columns(predictions):
    student, teacher = (each.double() for each in pair((6, 10)))
    rows = (
        1
        - torch.stack(
            [torch.corrcoef(torch.stack(each))[0, 1] for each in zip(*predictions, strict=True)]
        ).mean()
    )
    across = [each.T for each in predictions]
    columns = (
        1
        - torch.stack([torch.corrcoef(torch.stack(each))[0, 1] for each in zip(*across, strict=True)]).mean()
    )
    value = losses.DIST(row_weight=2, column_weight=0.5)(student, teacher)
    torch.testing.assert_close(value, 2 * rows + 0.5 * columns, rtol=1e-5, atol=1e-6)


def test_gradient_keeps_its_size_as_the_temperature_grows_without_t_squared():
    norms = []
    for temperature in (100.0, 200.0):
        student, teacher = (each.double() for each in pair((6, 10)))
        losses.DIST(temperature=temperature)(student.requires_grad_(), teacher).backward()
        norms.append(student.grad.norm().item())
    assert norms[1] == pytest.approx(norms[0], rel=0.02)


@pytest.mark.parametrize("value", [0.0, 1e3])
def test_student_of_equal_predictions_gets_no_gradient_from_rounding(value):
    student, (_, teacher) = torch.full((6, 10), value, requires_grad=True), pair((6, 10))
    loss = losses.DIST()(student, teacher)
    loss.backward()
    assert loss.item() == 2
    assert student.grad.abs().max() == 0


def test_one_sample_has_no_columns():
    with pytest.raises(LimbeckError, match="at least 2"):
        losses.DIST()(*pair((1, 10)))
