"""What answers by noisy votes give away, against derivations of its own in float64."""

import math
import random
import subprocess
import sys

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import norm

from limbeck import LimbeckError
from limbeck.teachers import NoisyMax
from limbeck.teachers.privacy import check_delta, check_epsilon

CASES = [(40.0, 1), (40.0, 250), (40.0, 1000), (5.0, 10), (100.0, 20), (2.0, 15)]


def renyi(noise, answers, delta, convert):
    """Return ε of Gaussian answers by Rényi differential privacy, minimised over the orders.

    Counts move by (−1, +1), √2 long, so an answer is (a, a · 2 / (2 σ²))-RDP, and answers add up.
    """

    def bound(log_order):
        order = 1 + math.exp(log_order)
        return answers * order / noise**2 + convert(order, delta)

    return minimize_scalar(bound, bounds=(-8, 12), method="bounded", options={"xatol": 1e-10}).fun


def plainly(order, delta):
    """Mironov 2017, proposition 3."""
    return math.log(1 / delta) / (order - 1)


def tightly(order, delta):
    """Canonne, Kamath, Steinke 2020, proposition 12."""
    return math.log1p(-1 / order) - math.log(delta * order) / (order - 1)


def analytic(noise, answers, delta):
    """Return the least ε of k Gaussian answers: one Gaussian, whose mean moves by √(2k) / σ (Balle, Wang 2018)."""
    move = math.sqrt(2 * answers) / noise

    def off(epsilon):
        return (
            norm.cdf(move / 2 - epsilon / move)
            - math.exp(epsilon + norm.logcdf(-move / 2 - epsilon / move))
            - delta
        )

    return brentq(off, 0, 500, xtol=1e-12)


@pytest.mark.parametrize(("noise", "answers"), CASES)
@pytest.mark.parametrize("delta", [1e-5, 1e-3])
def test_gaussian_answers_cost_what_they_cost(noise, answers, delta):
    found, exact = NoisyMax(noise).epsilon(answers, delta), analytic(noise, answers, delta)
    assert exact - 1e-9 <= found <= 1.002 * exact + 1e-4


@pytest.mark.parametrize(("noise", "answers"), CASES)
def test_gaussian_answers_cost_no_more_than_by_renyi_and_little_less(noise, answers):
    found = NoisyMax(noise).epsilon(answers, 1e-5)
    assert 0.85 < found / renyi(noise, answers, 1e-5, tightly) < 1
    assert found < renyi(noise, answers, 1e-5, plainly)


def two_laplace(scale, epsilon, steps=2000):
    """Return δ of one Laplace answer at ``epsilon``: two counts move by one each; over the quantiles of both noises."""
    quantiles = (np.arange(steps) + 0.5) / steps
    noise = np.where(quantiles < 0.5, np.log(2 * quantiles), -np.log(2 - 2 * quantiles)) * scale
    loss = (np.abs(noise - 1) - np.abs(noise)) / scale
    return np.maximum(0, 1 - np.exp(epsilon - (loss[:, None] + loss))).mean()


@pytest.mark.parametrize(("scale", "delta"), [(2.0, 0.2), (5.0, 0.05), (20.0, 0.01)])
def test_a_laplace_answer_costs_what_it_costs(scale, delta):
    epsilon = NoisyMax(scale, "laplace").epsilon(1, delta)
    assert two_laplace(scale, epsilon) == pytest.approx(delta, rel=5e-3)


@pytest.mark.parametrize(("scale", "answers"), [(40.0, 1), (5.0, 10), (40.0, 500)])
def test_laplace_answers_never_cost_more_than_without_a_delta(scale, answers):
    found = NoisyMax(scale, "laplace").epsilon(answers, 1e-6)
    assert 0 < found <= 2 * answers / scale
    assert found > 0.9 * 2 * answers / scale or answers > 50


@pytest.mark.parametrize("mechanism", ["gaussian", "laplace"])
def test_more_answers_cost_more_and_more_noise_less(mechanism):
    costs = [NoisyMax(30.0, mechanism).epsilon(answers, 1e-5) for answers in (0, 1, 2, 5, 50)]
    assert costs[0] == 0
    assert costs == sorted(set(costs))
    assert (
        NoisyMax(60.0, mechanism).epsilon(50, 1e-5) < costs[-1] < NoisyMax(30.0, mechanism).epsilon(50, 1e-7)
    )


@pytest.mark.parametrize(("mechanism", "noise"), [("gaussian", 40.0), ("laplace", 40.0), ("gaussian", 3.0)])
@pytest.mark.parametrize("budget", [0.3, 1.0, 4.0])
def test_affordable_is_the_largest_number_within_the_budget(mechanism, noise, budget):
    noisy = NoisyMax(noise, mechanism)
    paid = noisy.affordable(budget, 1e-5, most=5000)
    assert noisy.epsilon(paid, 1e-5) <= budget < noisy.epsilon(paid + 1, 1e-5)
    assert noisy.affordable(budget, 1e-5, most=3) == min(paid, 3)


def test_noise_is_as_large_as_it_says():
    draws = {
        kind: np.array(
            [NoisyMax(7.0, kind)._draw(dice) for dice in [random.Random(1)] for _ in range(40_000)]
        )
        for kind in ("gaussian", "laplace")
    }
    assert draws["gaussian"].std() == pytest.approx(7, rel=0.02)
    assert np.abs(draws["laplace"]).mean() == pytest.approx(7, rel=0.02)
    assert draws["laplace"].std() == pytest.approx(7 * math.sqrt(2), rel=0.03)
    assert all(abs(each.mean()) < 0.15 for each in draws.values())


def test_the_winner_is_usually_the_class_with_most_votes_and_not_always():
    found = [NoisyMax(10.0).winner([30, 45, 25], random.Random(seed)) for seed in range(400)]
    assert 0.7 < found.count(1) / 400 < 0.97


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (lambda: NoisyMax(0.0), "noise must be a finite number of at least 0.1"),
        (lambda: NoisyMax(float("nan")), "noise"),
        (lambda: NoisyMax(40, "uniform"), "'gaussian' or 'laplace', not 'uniform'"),
        (lambda: check_epsilon(0), "epsilon must be a number above 0"),
        (lambda: check_epsilon(1000), "up to 100, not 1000"),
        (lambda: check_epsilon(True), "epsilon"),
        (lambda: check_delta(0), "between 0 and 1, both excluded"),
        (lambda: check_delta(1.5), "1e-5 is usual"),
        (lambda: check_delta(1e-3, records=1000), "delta must be below 1 / 1000"),
        (lambda: NoisyMax(40).epsilon(3, -1), "delta"),
        (lambda: NoisyMax(40).affordable(-1, 1e-5, 9), "epsilon"),
    ],
)
def test_settings_out_of_range_are_refused(refused, message):
    with pytest.raises(LimbeckError, match=message):
        refused()
    check_delta(9e-4, records=1000)


def test_the_accountant_is_loaded_only_to_count_and_where_it_lacks_the_extra_is_named():
    script = (
        "import sys, limbeck.teachers as teachers; print('dp_accounting' in sys.modules)\n"
        "sys.modules['dp_accounting'] = None\n"
        "try: teachers.NoisyMax(40).epsilon(1, 1e-5)\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded, said = done.stdout.splitlines()
    assert loaded == "False"
    assert said.startswith("LimbeckError")
    assert said.endswith("pip install 'limbeck[private]'.")
