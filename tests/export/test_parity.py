import math

import numpy as np
import pytest

from limbeck.export.parity import Parity, measure_parity


def ones(size: int) -> np.ndarray:
    return np.ones((size, 3), np.float32)


def test_takes_the_worst_of_all_batches_and_the_largest_output():
    parity = measure_parity(
        lambda x: 4 * x, lambda x: 4 * x + (0.5 if len(x) == 2 else 0), [ones(1), ones(2)], 0.2
    )
    assert parity == Parity(max_difference=0.5, scale=4.0, tolerance=0.2, batches=(1, 2))
    assert parity.allowed == pytest.approx(0.8)
    assert parity.holds


@pytest.mark.parametrize("where", [0, 1])
def test_nan_never_holds_in_whichever_batch(where):
    answers = [ones(1), ones(1)]
    answers[where] = answers[where] * np.float32("nan")
    given = iter(answers)
    parity = measure_parity(lambda x: x, lambda x: next(given), [ones(1), ones(1)], 1e9)
    assert math.isnan(parity.max_difference)
    assert not parity.holds


def test_another_shape_never_holds():
    parity = measure_parity(lambda x: x, lambda x: x[:, :1], [ones(2)], 1e9)
    assert math.isinf(parity.max_difference)
    assert not parity.holds
