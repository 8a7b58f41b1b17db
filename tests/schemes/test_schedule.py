"""Values that change in training, as a config states them."""

import pytest

from limbeck import LimbeckError
from limbeck.schemes.schedule import Cosine, Linear, Step, parse_schedule, told, value_at
from limbeck.types import Progress


def values(schedule, steps=8):
    return [schedule(Progress(step=step, total_steps=steps)) for step in range(steps + 1)]


def test_linear_changes_evenly_and_only_between_its_points():
    assert values(Linear(1, 0)) == pytest.approx([1 - step / 8 for step in range(9)])
    assert values(Linear(0, 4, begin=0.25, end=0.75)) == pytest.approx([0, 0, 0, 1, 2, 3, 4, 4, 4])


def test_cosine_is_slow_at_both_ends_and_half_way_in_the_middle():
    found = values(Cosine(1, 0))
    assert (found[0], found[4], found[8]) == pytest.approx((1, 0.5, 0))
    assert found[0] - found[1] < found[3] - found[4] > found[7] - found[8]


def test_step_jumps_at_its_point():
    assert values(Step(2, 1, at=0.5)) == [2, 2, 2, 2, 1, 1, 1, 1, 1]
    assert values(Step(2, 1, at=0.0)) == [1] * 9


def test_ramp_of_no_length_is_a_jump():
    assert values(Linear(1, 0, begin=0.5, end=0.5)) == [1, 1, 1, 1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("linear(0.9, 0.1)", Linear(0.9, 0.1)),
        (" cosine( 8 , 1, begin=0.1, end=0.5 ) ", Cosine(8, 1, 0.1, 0.5)),
        ("step(1, 0, at=0.7)", Step(1, 0, 0.7)),
        ("step(1, 0, 0.7)", Step(1, 0, 0.7)),
        ("linear(last=0, first=1)", Linear(1, 0)),
    ],
)
def test_text_states_a_schedule_and_a_schedule_tells_its_text(text, schedule):
    assert parse_schedule(text) == schedule
    assert parse_schedule(told(schedule)) == schedule


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0.9 then 0.1", "neither a number nor a schedule"),
        ("linaer(1, 0)", "Did you mean 'linear'"),
        ("linear(1)", "lacks a value"),
        ("linear()", "not a number"),
        ("linear(1, zero)", "'zero'"),
        ("linear(1, 0, until=0.5)", "takes first, last, begin, end"),
        ("linear(1, 0, first=2)", "each once"),
        ("linear(1, 0, 0, 1, 2)", "takes first, last, begin, end"),
        ("linear(1, -1)", "at least 0"),
        ("linear(1, nan)", "finite"),
        ("cosine(1, 0, begin=0.9, end=0.1)", "begin <= end"),
        ("step(1, 0, at=2)", "from 0 to 1"),
        ("step(1, inf)", "finite"),
        ("__import__('os')", "neither a number nor a schedule"),
    ],
)
def test_wrong_text_is_refused_in_a_sentence(text, said):
    with pytest.raises(LimbeckError) as refusal:
        parse_schedule(text)
    assert said in str(refusal.value)


def test_a_number_is_a_schedule_that_stays():
    assert value_at(0.5, Progress()) == 0.5
    assert value_at(Linear(1, 0), Progress(step=1, total_steps=2)) == 0.5


def test_a_function_is_told_by_its_name():
    assert "test_a_function_is_told_by_its_name" in told(lambda progress: 1.0)
