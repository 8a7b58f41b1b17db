from limbeck.cli import main


def test_bibtex_for_what_the_run_used(distilled, capsys):
    assert main(["cite", str(distilled)]) == 0
    told = capsys.readouterr().out
    assert "@misc{hinton2015distilling," in told
    assert "% data:digits" in told
    assert told.count("{") == told.count("}")


def test_a_run_without_a_teacher_cites_no_distillation(regression, capsys):
    assert main(["cite", str(regression)]) == 0
    told = capsys.readouterr().out
    assert "hinton2015distilling" not in told
    assert "@" in told


def test_no_run_is_refused(tmp_path, capsys):
    assert main(["cite", str(tmp_path / "none")]) == 2
    assert "No finished run in" in capsys.readouterr().err
