import shutil

from limbeck.cli import main


def test_a_runs_page_is_written_again(distilled, capsys):
    (distilled / "report.html").unlink()
    assert main(["report", str(distilled)]) == 0
    assert str(distilled / "report.html") in capsys.readouterr().out
    assert "</html>" in (distilled / "report.html").read_text()


def test_several_runs_go_onto_one_page(distilled, tmp_path, capsys):
    second = shutil.copytree(distilled, tmp_path / "second")
    page = tmp_path / "side by side.html"
    assert main(["report", str(distilled), str(second), "--out", str(page)]) == 0
    assert str(page) in capsys.readouterr().out
    assert "second" in page.read_text()


def test_runs_that_do_not_compare_are_refused(distilled, regression, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["report", str(distilled), str(regression), "--out", str(page)]) == 2
    assert "scored differently" in capsys.readouterr().err
    assert not page.exists()


def test_out_is_for_comparisons(distilled, tmp_path, capsys):
    assert main(["report", str(distilled), "--out", str(tmp_path / "page.html")]) == 2
    assert "leave --out, or give several runs" in capsys.readouterr().err
