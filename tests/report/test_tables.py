import numpy as np
import pytest
from scipy import stats

from limbeck.report.measurements import read_confusion
from limbeck.report.record import read_run
from limbeck.report.tables import (
    Point,
    class_rows,
    interval,
    model_rows,
    pair_changes,
    points_of,
    without_dominated,
)


def test_interval_is_students_t():
    values = [0.91, 0.94, 0.92, 0.95, 0.93]
    low, high = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    assert interval(values) == pytest.approx((high - low) / 2)


def test_interval_needs_two_known_values():
    assert interval([0.9]) is None
    assert interval([0.9, None]) is None


def test_rows_run_from_teacher_to_student(run_folder):
    rows = model_rows(read_run(run_folder))
    assert [row.role for row in rows] == ["teacher", "student alone", "student distilled"]
    student = rows[2]
    assert student.score == "97.10\xa0±\xa00.28\xa0%"
    assert (student.parameters, student.macs, student.bytes, student.latency) == (
        "37.9\xa0k",
        "812\xa0k",
        "153\xa0kB",
        "0.34\xa0ms",
    )


def test_fixed_teacher_has_no_interval_even_with_its_score_repeated(run_folder):
    record = read_run(run_folder)
    score = record.model("teacher").scores["accuracy"].model_copy(update={"values": [0.98] * 5})
    teacher = record.model("teacher").model_copy(update={"scores": {"accuracy": score}})
    rows = model_rows(record.model_copy(update={"models": [teacher]}))
    assert "±" not in rows[0].score


def test_classes_go_from_biggest_gain_to_biggest_loss(run_folder):
    record = read_run(run_folder)
    confusion = read_confusion(run_folder, 10)
    rows = class_rows(record, confusion)
    changes = [row.change for row in rows]
    assert changes == sorted(changes, reverse=True)
    first = rows[0]
    label = record.data.classes.index(first.name)
    for role in ("alone", "student", "teacher"):
        counts = confusion[role][label]
        assert getattr(first, role) == counts[label] / counts.sum()
    assert first.samples == 36


def test_class_without_test_samples_comes_last_and_has_no_share(run_folder):
    record, confusion = read_run(run_folder), read_confusion(run_folder, 10)
    for matrix in confusion.values():
        matrix[3] = 0
    last = class_rows(record, confusion)[-1]
    assert (last.name, last.student, last.change) == ("3", None, None)


def test_pairs_are_the_off_diagonal_changes_per_seed(run_folder):
    record, confusion = read_run(run_folder), read_confusion(run_folder, 10)
    pairs = pair_changes(record, confusion, most=100)
    change = confusion["student"] - confusion["alone"]
    np.fill_diagonal(change, 0)
    assert len(pairs) == np.count_nonzero(change)
    for pair in pairs:
        assert pair.change == pytest.approx(change[int(pair.true), int(pair.predicted)] / 5)
    sizes = [round(abs(pair.change), 9) for pair in pairs]
    assert sizes == sorted(sizes, reverse=True)


def test_points_leave_out_models_without_a_cost(run_folder):
    record = read_run(run_folder)
    models = [record.models[0].model_copy(update={"latency_ms": None}), *record.models[1:]]
    found = points_of(record.model_copy(update={"models": models}), "latency")
    assert [point.role for point in found] == ["alone", "student"]


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_dominated_points_are_those_another_beats(higher_is_better):
    sign = 1 if higher_is_better else -1
    cheap, dear, beaten = (
        Point(name, "student", cost, sign * score)
        for name, cost, score in (("cheap", 1, 0.8), ("dear", 3, 0.9), ("beaten", 2, 0.7))
    )
    found = without_dominated([cheap, dear, beaten], higher_is_better=higher_is_better)
    assert [point.dominated for point in found] == [False, False, True]


def test_equal_points_do_not_beat_each_other():
    twins = [Point(name, "student", 1, 0.8) for name in "ab"]
    assert not any(point.dominated for point in without_dominated(twins, higher_is_better=True))
