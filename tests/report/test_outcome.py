import io
from pathlib import Path

import pytest
from rich.console import Console

from limbeck.recipes.command import print_outcome
from limbeck.report.record import read_run


def printed(folder: Path) -> str:
    text = io.StringIO()
    print_outcome(read_run(folder), folder, Console(file=text, width=80))
    return text.getvalue().replace("\N{NO-BREAK SPACE}", " ")


def table(text: str) -> list[str]:
    return text.partition("Distillation")[0].splitlines()


@pytest.mark.parametrize(
    "scheme", ["BornAgain", "SeveralTeachers", "Assistant", "Mutual", "Specialists", "Merged"]
)
def test_table_of_any_scheme_fits_a_terminal(scheme_run, scheme):
    lines = table(printed(scheme_run(scheme)))
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("distilled") and line.endswith("0.34 ms") for line in lines)


def test_parts_have_a_table_of_their_own(scheme_run):
    lines = table(printed(scheme_run("Merged")))
    found = [line.split() for line in lines if "idx:mnist" in line]
    assert found == [["teacher", "1", "cnn:32-64", "97.00", "%", "95.00", "%", "−2.00", "idx:mnist"]]


def test_long_names_give_way_to_numbers(scheme_run):
    folder = scheme_run("Merged")
    text = (folder / "run.json").read_text().replace("idx:mnist", "folder:" + "a" * 70)
    (folder / "run.json").write_text(text.replace('"cnn:32-64"', '"plugin:' + "b" * 40 + '"'))
    (line,) = [line for line in table(printed(folder)) if "folder:aaa" in line]
    assert len(line) <= 80
    assert {"97.00", "95.00", "−2.00"} <= set(line.split())


def test_notes_and_privacy_are_said(scheme_run):
    privacy = {
        "epsilon": 4.96, "delta": 1e-5, "mechanism": "gaussian", "noise": 40.0, "answered": 62, "asked": 200,
        "teachers": 250, "accountant": "dp-accounting",
    }  # fmt: skip
    text = printed(scheme_run("OmittedClasses", notes=["Something."], privacy=privacy))
    assert "Note: Something." in text
    assert "Differential privacy: ε = 4.96 at δ = 1×10⁻⁵." in text
