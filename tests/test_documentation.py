"""Every Python example in the README and the documentation runs as it stands, and the guide's commands do."""

import re
import shlex
from pathlib import Path

import pytest
import torch

from limbeck import losses
from limbeck.cli import main
from limbeck.evaluate import cost
from limbeck.recipes.schemes import NAMES

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

DOCS = ROOT / "docs"
MADE = {
    DOCS / "reference/settings.md",
    *(DOCS / f"losses/{name}.md" for name in ("index", *losses.__all__)),
    *(DOCS / f"schemes/{name}.md" for name in ("index", *NAMES)),
}
"""Pages that are made while the documentation is built."""

GUIDE = DOCS / "howto/choose-a-scheme.md"
"""Its commands are complete: they run as they stand, in seconds."""


def commands(page: Path) -> list[list[str]]:
    """Return the words behind ``limbeck`` of every command in the console blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"^```console\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in found for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(line)[2:] for line in lines if line.startswith("$ limbeck ")]


def scheme_of(words: list[str]) -> str:
    return words[words.index("--scheme") + 1] if "--scheme" in words else "Offline"


TEACHER, *ANSWERS = commands(GUIDE)


def blocks(page: Path) -> list[tuple[int, str]]:
    """Return the line number and code of each example that claims to run."""
    text, found = page.read_text(encoding="utf-8"), []
    for match in re.finditer(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
        above = text[: match.start()].rstrip().rsplit("\n", 1)[-1]
        if not above.startswith("<!-- not run: "):  # with the reason, for readers of the source
            found.append((text.count("\n", 0, match.start()) + 1, match[1]))
    return found


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.is_file() and blocks(page)], ids=lambda page: str(page.name)
)
def test_examples_of_a_page_run_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "example"}
    for line, code in blocks(page):
        # blank lines in front, so that a traceback names the line of the page
        exec(compile("\n" * line + code, page, "exec"), names)


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text(encoding="utf-8")):
            found = (page.parent / target).resolve()
            assert found in MADE or found.exists(), f"{page.relative_to(ROOT)} links to {target}"


@pytest.fixture(scope="module")
def teacher_at_hand(tmp_path_factory):
    """An empty folder with the teacher that the guide trains first; latencies are measured in a hurry."""
    threads, measure = torch.get_num_threads(), cost.latency
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost, "latency", lambda module, example, **_: measure(module, example, seconds=0.01))
        patch.chdir(tmp_path_factory.mktemp("guide"))
        assert main(TEACHER) == 0
        yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("teacher_at_hand")
@pytest.mark.parametrize("words", ANSWERS, ids=lambda words: words[-1])
def test_an_answer_of_the_guide_runs(words):
    assert words[0] == "distill"
    assert main(words) == 0
    assert Path(words[-1], "report.html").is_file()


def test_the_guide_answers_with_every_scheme():
    assert {scheme_of(words) for words in ANSWERS} == set(NAMES)
