import json
import re
import subprocess
import sys

import pytest

from limbeck.errors import LimbeckError
from limbeck.report import write_report

SECTIONS = {"models", "seeds", "training", "classes", "confusion", "cost", "reproduce"}


MISTAKES = {"samples": 360, "teacher": 9, "inherited": 4, "otherwise": 1, "corrected": 4, "new": 3}
PRIVACY = {
    "epsilon": 4.96, "delta": 1e-5, "mechanism": "gaussian", "noise": 40.0, "answered": 62, "asked": 200,
    "teachers": 250, "accountant": "dp-accounting",
}  # fmt: skip
BIAS = {
    "network": "student", "seed": 0, "classes": ["3"], "shift": 3.5, "before": 0.8, "after": 0.9,
    "recall_before": [0.0], "recall_after": [0.95],
}  # fmt: skip


def sections(page: str) -> set[str]:
    return set(re.findall(r'<section id="(\w+)"', page))


def test_page_holds_every_section(run_folder):
    path = write_report(run_folder)
    page = path.read_text(encoding="utf-8")
    assert path == run_folder / "report.html"
    assert sections(page) == SECTIONS
    assert "Distillation helped: +2.06 points of accuracy" in page
    assert "5f0c9f1c4d0e8a7be2f6b3f8b77f0c12" in page
    assert "temperature: 4" in page
    assert path.stat().st_size < 600_000


def test_page_asks_for_nothing_outside_itself(run_folder):
    page = write_report(run_folder).read_text(encoding="utf-8")
    linked = re.findall(r'(?:src|href)="([^"#][^"]*)"', page)
    assert all(link.startswith("data:") for link in linked)
    assert "@import" not in page
    assert "default-src 'none'" in page


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"kind": "train"}, {"seeds", "confusion"}),
        ({"task": "regression"}, {"classes", "confusion"}),
        ({"with_alone": False}, {"seeds", "confusion"}),
        ({"bare": True}, {"training", "classes", "confusion"}),
        (
            {"bare": True, "task": "regression", "with_alone": False},
            SECTIONS - {"models", "cost", "reproduce"},
        ),
        ({"kind": "train", "task": "regression", "seeds": 1}, {"seeds", "classes", "confusion"}),
        ({"seeds": 1}, set()),
        ({"classes": [f"class {n}" for n in range(40)]}, set()),
    ],
)
def test_runs_that_lack_something_leave_its_section_out(new_run, changes, missing):
    page = write_report(new_run(**changes)).read_text(encoding="utf-8")
    assert sections(page) == SECTIONS - missing
    assert "None" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    assert "nan" not in re.findall(r">([^<]*)<", page)


def test_names_cannot_leave_their_place(new_run):
    evil = [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ 7 * 7 }}",
        "$x^{",
        "&amp;",
        "日本",
    ]
    folder = new_run(classes=evil, command="limbeck distill --data '</pre><script>alert(2)</script>'")
    (folder / "config.yaml").write_text("out: </pre><script>alert(3)</script>\n")
    page = write_report(folder).read_text(encoding="utf-8")
    assert page.count("<script") == 1
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ 7 * 7 }}" in page


def test_many_classes_show_the_extremes_and_count_the_rest(new_run):
    page = write_report(new_run(classes=[f"class {n}" for n in range(40)])).read_text(encoding="utf-8")
    assert "24 classes in between" in page


def text_of(page: str) -> str:
    """Return what a reader sees but for the configuration, in one line."""
    page = re.sub(r"<(style|script|head)\b.*?</\1>|<pre.*?</pre>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_usual_run_names_no_scheme(run_folder):
    page = write_report(run_folder).read_text(encoding="utf-8")
    assert 'class="scheme"' not in page
    assert "only the teacher is missing" in page


@pytest.mark.parametrize("scheme", ["BornAgain", "Mutual"])
def test_page_without_a_teacher_does_not_speak_of_one(scheme_run, scheme):
    page = write_report(scheme_run(scheme)).read_text(encoding="utf-8")
    assert f"<b>{scheme}</b>" in page
    assert "teacher" not in text_of(page).lower()
    assert "procedure" in sections(page)


@pytest.mark.parametrize(
    ("scheme", "added", "words"),
    [
        ("SeveralTeachers", {"procedure"}, "share of all teachers'"),
        ("Assistant", {"procedure"}, "agreement with the last assistant"),
        ("Specialists", {"procedure", "parts"}, "Each specialist on the classes"),
        ("Merged", {"procedure", "parts"}, "Each teacher on the part of the data"),
    ],
)
def test_page_of_a_scheme_has_its_own_sections(scheme_run, scheme, added, words):
    changes = {"gain": None} if scheme == "Assistant" else {}
    page = write_report(scheme_run(scheme, **changes)).read_text(encoding="utf-8")
    assert sections(page) == SECTIONS | added
    assert words in text_of(page).replace("&#39;", "'")


def test_page_says_what_was_corrected_private_and_mistaken(scheme_run):
    fidelity = {"agreement": 0.9, "kl": 0.1, "mistakes": MISTAKES}
    folder = scheme_run(
        "OmittedClasses", bias=[BIAS], privacy=PRIVACY, notes=["A <note>."], fidelity=fidelity
    )
    page = write_report(folder).read_text(encoding="utf-8")
    assert "Recall of 3" in page
    assert "ε\xa0=\xa04.96" in page
    assert "A &lt;note&gt;." in page
    assert "it adds 3 of its own" in page
    assert page.count("flex-grow:") == 4


def test_chain_names_who_teaches_whom(scheme_run):
    def chain(scheme):
        page = write_report(scheme_run(scheme)).read_text(encoding="utf-8")
        return text_of(re.search(r'<p class="eyebrow">.*?</p>', page, flags=re.DOTALL)[0])

    assert chain("Assistant") == "Helped cnn:32-64 → cnn:32-64 → cnn:32-64 → cnn:8-16 on digits"
    assert chain("SeveralTeachers") == "Helped cnn:32-64 + cnn:32-64 → cnn:8-16 on digits"
    assert chain("Mutual") == "Helped cnn:8-16 ⇄ cnn:8-16 ⇄ cnn:8-16 on digits"
    assert chain("BornAgain") == "Helped cnn:8-16 on digits"


def test_skipped_files_are_named(new_run):
    page = write_report(new_run(skipped=[f"bad{n}.png" for n in range(25)])).read_text(encoding="utf-8")
    assert "25 unreadable: bad0.png" in page
    assert "and 5 more" in page


def test_config_is_written_from_the_record_when_its_file_is_gone(run_folder):
    (run_folder / "config.yaml").unlink()
    assert "optimizer:\n    name: AdamW" in write_report(run_folder).read_text(encoding="utf-8")


def test_damaged_run_leaves_the_earlier_page(run_folder):
    page = write_report(run_folder)
    before = page.read_bytes()
    record = json.loads((run_folder / "run.json").read_text())
    (run_folder / "run.json").write_text(json.dumps(record | {"schema": 9}))
    with pytest.raises(LimbeckError, match="schema 9"):
        write_report(run_folder)
    assert page.read_bytes() == before


def test_report_needs_neither_torch_nor_pyplot(run_folder):
    code = (
        "import sys; from limbeck.report import write_report; write_report(sys.argv[1]);"
        "print([name for name in ('torch', 'matplotlib.pyplot', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run_folder)], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
