"""What is special to CWD beyond the laws."""

import pytest
import torch
import torch.nn.functional as F

from laws.samples import random
from limbeck import losses
from limbeck.errors import LimbeckError

SHAPE = (3, 4, 5, 2)


def maps():
    return random(1, SHAPE).double(), random(2, SHAPE).double()


def test_each_channel_is_kd_over_positions():
    student, teacher = maps()
    kd = losses.KD(temperature=4)
    each = [kd(student[:, c].flatten(1), teacher[:, c].flatten(1)) for c in range(4)]
    assert losses.CWD()(student, teacher).item() == pytest.approx(sum(each).item() / 4)


def test_limit_of_high_temperature_is_half_the_variance_over_positions_times_nothing_else():
    student, teacher = maps()
    apart = (student - teacher).flatten(2)
    half_variance = 0.5 * apart.var(-1, correction=0).mean()
    assert losses.CWD(temperature=1000)(student, teacher).item() == pytest.approx(
        half_variance.item(), rel=1e-2
    )


def test_is_the_sum_over_positions_of_public_code_that_does_not_divide_by_them():
    student, teacher = maps()
    log_s, p_t = (student / 4).flatten(2).log_softmax(-1), (teacher / 4).flatten(2).softmax(-1)
    public = F.kl_div(log_s, p_t, reduction="sum") * 16 / (3 * 4)
    assert losses.CWD()(student, teacher).item() == pytest.approx(public.item())


def test_how_strong_a_channel_is_does_not_count():
    student, _ = maps()
    assert losses.CWD()(student + random(3, (1, 4, 1, 1)), student).item() == pytest.approx(0, abs=1e-12)


def test_a_single_position_is_refused():
    with pytest.raises(LimbeckError, match="before the pooling"):
        losses.CWD()(torch.zeros(2, 4, 1, 1), torch.zeros(2, 4, 1, 1))
