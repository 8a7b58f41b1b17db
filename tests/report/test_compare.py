import pytest

from limbeck.errors import LimbeckError
from limbeck.report import compare_runs, write_report


def test_runs_stand_side_by_side(new_run, tmp_path):
    folders = [new_run("better", student=0.98), new_run("worse", student=0.93)]
    write_report(folders[0])
    page = compare_runs(folders, tmp_path / "compare.html").read_text(encoding="utf-8")
    assert "better scores best: 98.00\xa0% accuracy" in page
    assert '<a href="better/report.html">better</a>' in page
    assert "worse/report.html" not in page
    assert page.count("<svg role=") == 3
    assert page.count('<tr class="beaten">') == 1


def test_overlapping_intervals_leave_the_order_open(new_run, tmp_path):
    folders = [new_run("one", student=0.970), new_run("two", student=0.971)]
    page = compare_runs(folders, tmp_path / "compare.html").read_text(encoding="utf-8")
    assert "Its interval overlaps with that of one, so their order is open." in page


def test_lowest_error_scores_best(new_run, tmp_path):
    folders = [
        new_run("low", task="regression", student=50.0),
        new_run("high", task="regression", student=60.0),
    ]
    page = compare_runs(folders, tmp_path / "compare.html").read_text(encoding="utf-8")
    assert "low scores best: 50.00 RMSE" in page


def test_folders_of_one_name_are_told_apart(new_run, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    folders = [new_run("a/run"), new_run("b/run")]
    page = compare_runs(folders, tmp_path / "compare.html").read_text(encoding="utf-8")
    assert f"</b>&ensp;{folders[0]}</td>" in page


def test_runs_on_other_data_are_marked(new_run, tmp_path):
    first, other = new_run("first"), new_run("other")
    text = (other / "run.json").read_text().replace("5f0c9f1c", "00000000")
    (other / "run.json").write_text(text)
    same = compare_runs([first], tmp_path / "same.html").read_text(encoding="utf-8")
    mixed = compare_runs([first, other], tmp_path / "mixed.html").read_text(encoding="utf-8")
    assert "not tested on the same data" in mixed
    assert "not tested on the same data" not in same


def test_shared_teacher_is_one_point(new_run, tmp_path):
    folders = [new_run("one"), new_run("two")]
    page = compare_runs(folders, tmp_path / "compare.html").read_text(encoding="utf-8")
    assert page.count(">T</text>") == 3


def test_runs_of_other_metrics_are_refused(new_run, tmp_path):
    folders = [new_run("one"), new_run("two", task="regression")]
    with pytest.raises(LimbeckError, match=r"scored differently: .*one by accuracy and .*two by rmse"):
        compare_runs(folders, tmp_path / "compare.html")
    assert not (tmp_path / "compare.html").exists()


def test_runs_of_several_schemes_name_theirs(scheme_run, new_run, tmp_path):
    folders = [
        new_run("usual"),
        *map(scheme_run, ("BornAgain", "Mutual", "Assistant", "Merged", "Specialists")),
    ]
    page = compare_runs(folders, tmp_path / "compare.html").read_text(encoding="utf-8")
    assert '<span class="spec">BornAgain</span>' in page
    assert '<span class="spec">Mutual</span>' in page
    assert "T is a teacher, A is an assistant, P is a peer, G is a generation." in page


def test_usual_runs_name_no_scheme(new_run, tmp_path):
    page = compare_runs([new_run("one"), new_run("two")], tmp_path / "compare.html").read_text(
        encoding="utf-8"
    )
    assert 'class="spec"' not in page
    assert "Numbers are those of the table; T is a teacher." in page
