from pathlib import Path

import pytest

from limbeck.recipes.config import DistillConfig
from limbeck.recipes.temperature_points import grid, own_point
from limbeck.recipes.temperature_search import Searching, found, selected_score
from limbeck.tasks import Classification, Regression
from limbeck.train import Run


def config(**settings):
    kd = {"loss": "KD", **settings.pop("kd", {})}
    return DistillConfig(teacher="cnn:8", student="cnn:4", data="digits", kd=kd, **settings)


def outcome(scores, **settings):
    """Return what a search says of given scores of T = 2 and of the run's own T = 4."""
    chosen = config(seeds=len(scores[0]), **settings)
    points = grid(chosen, [2.0], [0.9])
    searching = Searching(chosen, points, None, None, None, Classification(), Path())
    return found(searching, scores, lambda point: point.name)


def test_a_clear_lead_is_told_with_its_interval():
    search = outcome([[0.921, 0.93, 0.939], [0.90, 0.91, 0.92]])
    assert search.verdict == "helped"
    assert search.command == "T2-w0.9"
    assert search.sentence.startswith(
        "T = 2 with weight 0.9 beats the run's own T = 4 with weight 0.9: +2.00 points of validation accuracy"
    )
    assert "flatters it" in search.sentence


def test_a_lead_within_noise_is_no_reason_to_change():
    search = outcome([[0.95, 0.90, 0.93], [0.92, 0.92, 0.92]])
    assert search.best == 0
    assert search.verdict == "no evidence"
    assert "within noise of the run's own T = 4" in search.sentence


def test_one_seed_tells_nothing():
    search = outcome([[0.95], [0.85]])
    assert search.verdict == "no evidence"
    assert "a single seed cannot tell" in search.sentence
    assert search.trials[0].over_own.ci95 is None


@pytest.mark.parametrize("other", [0.90, 0.91])
def test_the_runs_own_settings_win_and_win_ties(other):
    search = outcome([[other, other], [0.91, 0.91]])
    assert search.best == search.own == 1
    assert search.verdict == "own is best"
    assert search.trials[1].over_own is None


def test_the_grid_leaves_the_labels_the_rest():
    points = grid(config(), [1.0, 4.0], [0.5, 0.9])
    assert [each.name for each in points] == ["T1-w0.5", "T1-w0.9", "T4-w0.5", "T4-w0.9"]
    assert all(each.kd_weight + each.task_weight == pytest.approx(1) for each in points)


def test_the_grid_keeps_the_labels_weight_where_the_run_chose_both():
    chosen = config(kd={"kd_weight": 2.0, "task_weight": 1.0, "options": {"temperature": 3.0}})
    assert (own_point(chosen).temperature, own_point(chosen).kd_weight) == (3.0, 2.0)
    assert [(each.name, each.task_weight) for each in grid(chosen, [1.0], [0.5])] == [
        ("T1-w0.5", 1.0),
        ("T3-w2", 1.0),
    ]


@pytest.mark.parametrize(
    ("task", "select", "expected"),
    [(Classification(), "best", 3.0), (Classification(), "last", 2.0), (Regression(), "best", 1.0)],
)
def test_the_score_is_that_of_the_epoch_that_is_kept(task, select, expected):
    name = f"val_{task.metric}"
    history = [{name: 1.0}, {"loss": 0.0}, {name: 3.0}, {name: 2.0}]
    run = Run(None, history, {}, {}, None, 0, 0, 0.0)
    assert selected_score(run, task, select) == expected
