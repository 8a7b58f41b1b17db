"""What distillation gave: a paired interval, and a verdict no better than it."""

import numpy as np
import pytest
from scipy import stats

from limbeck.evaluate import paired_gain


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [2, 3, 5, 12])
def test_interval_is_that_of_a_paired_t_test(seed, count):
    draw = np.random.default_rng(seed)
    alone = draw.normal(0.8, 0.03, count)  # seeds differ far more than the two students of one seed do
    student = alone + draw.normal(0.01, 0.01, count)
    found = paired_gain(list(student), list(alone), teacher=0.95)
    test = stats.ttest_rel(student, alone)
    low, high = test.confidence_interval(0.95)
    assert found.mean == pytest.approx((student - alone).mean())
    assert found.ci95 == pytest.approx((low, high), rel=1e-6)
    assert (found.verdict != "no evidence") == (test.pvalue < 0.05)
    assert found.gap_recovered == pytest.approx((student.mean() - alone.mean()) / (0.95 - alone.mean()))


def test_pairing_matters():
    alone = [0.70, 0.80, 0.90]
    assert paired_gain([0.72, 0.82, 0.92001], alone, None).verdict == "helped"
    assert paired_gain([0.92, 0.72, 0.82], alone, None).verdict == "no evidence"


def test_verdicts():
    assert paired_gain([0.9, 0.91, 0.92], [0.8, 0.81, 0.83], 1.0).verdict == "helped"
    assert paired_gain([0.8, 0.81, 0.83], [0.9, 0.91, 0.92], 1.0).verdict == "hurt"
    assert paired_gain([0.8, 0.92, 0.83], [0.9, 0.81, 0.82], 1.0).verdict == "no evidence"
    assert paired_gain([0.8, 0.8], [0.8, 0.8], 1.0).verdict == "no evidence"


def test_positive_is_better_whatever_the_metric():
    found = paired_gain([3.0, 3.1, 3.2], [4.0, 4.1, 4.3], teacher=2.0, higher_is_better=False)
    assert found.verdict == "helped"
    assert found.mean == pytest.approx(3.1 / 3)
    assert found.ci95[0] > 0
    assert found.gap_recovered == pytest.approx((12.4 - 9.3) / (12.4 - 6.0))


def test_single_seed_is_no_evidence():
    found = paired_gain([0.9], [0.5], teacher=0.9)
    assert found.ci95 is None
    assert found.verdict == "no evidence"
    assert found.gap_recovered == pytest.approx(1.0)


@pytest.mark.parametrize("teacher", [None, 0.8, 0.5])
def test_gap_is_not_told_where_the_teacher_is_no_better(teacher):
    assert paired_gain([0.9, 0.9], [0.8, 0.8], teacher).gap_recovered is None


def test_seeds_must_pair_up():
    with pytest.raises(ValueError, match=r"shorter|longer"):
        paired_gain([0.9, 0.8], [0.9], None)


def test_differences_that_are_all_the_same_are_no_evidence():
    """One test sample more in each of two seeds: the interval has no width, and chance does that."""
    assert paired_gain([0.11, 0.12], [0.10, 0.11], None).verdict == "no evidence"
