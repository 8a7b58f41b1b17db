"""The log says what was optimised, and stops at the first number that is none."""

import math

import pytest
import torch

from limbeck import LimbeckError
from limbeck.train.ledger import Ledger


def test_means_are_over_the_steps_of_an_epoch():
    ledger = Ledger()
    for step, value in enumerate((1.0, 2.0, 6.0), 1):
        ledger.add(step, {"task": torch.tensor(value), "KD": torch.tensor(2 * value)})
    assert ledger.means() == pytest.approx({"loss": 9.0, "loss_task": 3.0, "loss_KD": 6.0})
    assert ledger.latest == {"task": 6.0, "KD": 12.0}
    ledger.start()
    ledger.add(4, {"task": torch.tensor(5.0)})
    assert ledger.means()["loss"] == 5.0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("every", [1, 20])
def test_step_and_part_are_named(bad, every):
    ledger = Ledger(every)

    def five_steps():
        for step in range(1, 6):
            ledger.add(step, {"task": torch.tensor(1.0), "KD": torch.tensor(bad if step == 3 else 1.0)})
        ledger.read()

    with pytest.raises(LimbeckError, match=r"'KD'.*step 3"):
        five_steps()


def test_reading_in_groups_loses_no_step():
    ledger = Ledger(every=3)
    for step in range(1, 8):
        ledger.add(step, {"task": torch.tensor(float(step))})
    assert ledger.means()["loss"] == 4.0
