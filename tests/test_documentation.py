"""Every Python example in the README and the documentation runs as it stands."""

import re
from pathlib import Path

import pytest

from limbeck import losses

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

DOCS = ROOT / "docs"
MADE = {DOCS / "reference/settings.md", *(DOCS / f"losses/{name}.md" for name in ("index", *losses.__all__))}
"""Pages that are made while the documentation is built."""


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
