"""What is special to RDM beyond the laws."""

import numpy as np
import pytest
import torch

from laws.samples import random
from limbeck import losses
from limbeck.errors import LimbeckError

LOSS = losses.RDM()


def test_value_is_that_of_numpys_correlations():
    student, teacher = random(0, (6, 9)).double(), random(1, (6, 4)).double()
    above = np.triu_indices(6, 1)
    matrices = [1 - np.corrcoef(each.numpy()) for each in (student, teacher)]
    expected = 1 - np.corrcoef(matrices[0][above], matrices[1][above])[0, 1]
    assert LOSS(student, teacher).item() == pytest.approx(expected)


def test_a_large_common_level_costs_no_digits():
    student, teacher = random(0, (6, 9)), random(1, (6, 9))
    level = (student + 3e3).double()
    assert LOSS(level.float(), teacher).item() == pytest.approx(
        LOSS(level, teacher.double()).item(), rel=1e-6
    )


def test_it_is_two_for_opposite_matrices_and_one_where_there_is_nothing_to_correlate():
    teacher = torch.tensor([[1.0, -1.0, 0.0], [1.0, -1.0, 0.1], [-1.0, 1.0, 0.0]])
    assert LOSS(torch.ones(3, 4), teacher).item() == 1
    near_first_and_third = torch.tensor([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.1], [1.0, -1.0, 0.05]])
    assert 1 < LOSS(near_first_and_third, teacher) <= 2


def test_single_features_are_refused():
    with pytest.raises(LimbeckError, match="at least two"):
        LOSS(random(0, (4, 1)), random(1, (4, 3)))
