from xml.etree import ElementTree

import pytest

from limbeck.report.class_figures import class_bars, confusion_changes, pair_bars
from limbeck.report.figures import curves, seeds
from limbeck.report.measurements import History, read_confusion, read_history
from limbeck.report.pareto import pareto
from limbeck.report.record import read_run
from limbeck.report.tables import ClassRow, Point, class_rows, pair_changes


def words(drawing: str) -> list[str]:
    return [text.text for text in ElementTree.fromstring(drawing).iter("text")]


def test_curves_draw_every_role_in_its_own_colour(run_folder):
    drawing = curves(read_history(run_folder), "val_accuracy", "accuracy", "Validation")
    assert {"var(--teacher)", "var(--alone)", "var(--student)"} <= set(
        drawing.replace(";", " ").replace('"', " ").split()
    )
    assert "epoch" in words(drawing)
    assert any(word.endswith("%") for word in words(drawing))


def test_curves_without_values_are_nothing():
    assert curves(History(), "loss", "loss", "Loss") == ""


def test_networks_of_one_role_are_numbered():
    history = History(
        {"loss": {each: {0: {1: 0.5, 2: 0.4}} for each in ("alone", "generation-1", "generation-2")}}
    )
    drawing = curves(history, "loss", "loss", "Loss")
    assert "var(--between)" in drawing
    assert words(drawing).count("1") == 2  # an epoch, and a generation
    assert drawing.count("fill-opacity") == 1  # the band of the student alone


def test_many_networks_of_one_role_bear_no_numbers():
    history = History({"loss": {f"teacher-{number}": {0: {1: 0.5, 2: 0.4}} for number in range(20, 40)}})
    assert not {"20", "39"} & set(words(curves(history, "loss", "loss", "Loss")))


def test_curves_of_other_roles_stay_without_some(run_folder):
    history = read_history(run_folder).without({"teacher"})
    assert history.roles("loss") == ["alone", "student"]


@pytest.mark.parametrize("curve", [{1: 0.5}, {1: 0.5, 2: 0.5}, {1: 0.0, 2: 0.0}])
def test_curves_of_one_epoch_or_no_change_draw(curve):
    assert curves(History({"loss": {"student": {0: curve}}}), "loss", "loss", "Loss").startswith("<svg")


def test_seeds_name_each_pair(run_folder):
    assert [word for word in words(seeds(read_run(run_folder))) if "seed" in word] == [
        f"seed {n}" for n in range(5)
    ]


def test_seeds_need_alone(new_run):
    assert seeds(read_run(new_run(with_alone=False))) == ""


def test_teacher_far_away_does_not_squeeze_the_seeds(new_run):
    near, far = read_run(new_run("near")), read_run(new_run("far", alone=0.551, student=0.552))
    assert "var(--teacher)" in seeds(near)
    assert "var(--teacher)" not in seeds(far)


def test_confusion_says_changes_in_points_of_the_true_class(run_folder):
    record, confusion = read_run(run_folder), read_confusion(run_folder, 10)
    change = 100 * (confusion["student"][0, 0] - confusion["alone"][0, 0]) / confusion["student"][0].sum()
    assert f"{change:+.1f}".replace("-", "−") in words(confusion_changes(record, confusion))


def test_confusion_needs_alone(run_folder):
    confusion = read_confusion(run_folder, 10)
    del confusion["alone"]
    assert confusion_changes(read_run(run_folder), confusion) == ""


def test_classes_and_pairs_are_named(run_folder):
    record, confusion = read_run(run_folder), read_confusion(run_folder, 10)
    rows, pairs = class_rows(record, confusion), pair_changes(record, confusion)
    assert {row.name for row in rows} <= set(words(class_bars(rows)))
    assert f"{pairs[0].true} → {pairs[0].predicted}" in words(pair_bars(pairs))
    assert class_bars([]) == pair_bars([]) == ""


def test_class_without_samples_draws_nothing_but_its_name():
    assert "rare" in words(
        class_bars([ClassRow("rare", 0, None, None, None), ClassRow("often", 9, 0.5, 0.6, 0.7)])
    )


def test_pareto_labels_runs_and_greys_the_dominated():
    points = [Point("1", "student", 1.0, 0.9), Point("2", "student", 2.0, 0.8)]
    drawing = pareto(points, "latency", "accuracy", higher_is_better=True, compare=True)
    assert {"1", "2"} <= set(words(drawing))
    by_label = {text.text: text.get("style") for text in ElementTree.fromstring(drawing).iter("text")}
    assert "var(--card)" in by_label["1"]
    assert "var(--muted)" in by_label["2"]


@pytest.mark.parametrize("costs", [[0.0], [1.0, 1.0], [1e3, 1e9]])
def test_pareto_takes_any_cost(costs):
    points = [Point(str(place), "student", cost, 0.9) for place, cost in enumerate(costs)]
    assert pareto(points, "bytes", "accuracy", higher_is_better=True, compare=True).startswith("<svg")
