"""The page in a real browser: the system's Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from limbeck.report import compare_runs, write_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    path = os.environ.get("LIMBECK_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        say = "No Chromium to render the report in: apt-get install chromium, or set LIMBECK_CHROMIUM to its path."
        if os.environ.get("CI") == "true":
            pytest.fail(say)
        pytest.skip(say)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium):
    """Open a file and return its page; whatever the browser complains of or asks for fails the test."""
    pages, complaints, requests = [], [], []

    def visit(path: Path, **context):
        page = chromium.new_page(**context)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        pages.append((page, path.as_uri()))
        return page

    yield visit
    for page, _ in pages:
        page.close()
    assert complaints == []
    assert {url for url in requests if not url.startswith("data:")} <= {uri for _, uri in pages}


def overflow(page) -> int:
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


EVIL = ["<script>document.title = 'taken'</script>", "<b>bold</b>", "$x^{", "&amp;", "日本", "w" * 90]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"kind": "train"},
        {"task": "regression", "student": 60.0},
        {"bare": True, "with_alone": False},
        {"classes": EVIL, "command": "limbeck distill --data folder:" + "x" * 300},
        {"classes": [f"a class with a rather long name {n}" for n in range(40)]},
    ],
    ids=["distilled", "trained", "regression", "bare", "evil names", "many classes"],
)
def test_page_reads_on_a_phone(new_run, visit, changes):
    page = visit(write_report(new_run(**changes)), viewport=PHONE)
    assert overflow(page) == 0
    headline = page.locator("#verdict h1")
    assert headline.is_visible()
    assert headline.bounding_box()["y"] < PHONE["height"]
    assert page.locator("b", has_text="bold").count() == 0
    assert page.title() != "taken"


@pytest.mark.parametrize("scheme", ["BornAgain", "Merged"])
def test_page_of_a_scheme_reads_on_a_phone(scheme_run, visit, scheme):
    notes = ["A note of " + "w" * 90]
    page = visit(write_report(scheme_run(scheme, notes=notes)), viewport=PHONE)
    assert overflow(page) == 0
    bars = page.locator(".trainings .bar")
    assert bars.count() >= 3
    assert all(bars.nth(index).bounding_box()["width"] > 30 for index in range(bars.count()))


def test_dark_and_light_differ_and_both_have_contrast(run_folder, visit):
    path = write_report(run_folder)
    seen = {}
    for scheme in ("light", "dark"):
        page = visit(path, color_scheme=scheme)
        seen[scheme] = page.evaluate(
            """() => ["body", ".about", "figure svg text", ".better"].map(name => {
                const style = getComputedStyle(document.querySelector(name));
                return name.includes("svg") ? style.fill : name === "body" ? style.backgroundColor : style.color;
            })"""
        )
    for scheme, (paper, *inks) in seen.items():
        for ink in inks:
            assert contrast(paper, ink) > 4.5, (scheme, paper, ink)
    assert seen["light"][0] != seen["dark"][0]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two ``rgb(r, g, b)`` colours, as the accessibility guidelines define it."""

    def luminance(colour: str) -> float:
        shares = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_figures_take_the_pages_font_and_have_a_size(run_folder, visit):
    page = visit(write_report(run_folder))
    figures = page.locator("figure svg")
    assert figures.count() == 8
    for index in range(figures.count()):
        box = figures.nth(index).bounding_box()
        assert box["width"] > 200
        assert box["height"] > 100
    fonts = page.evaluate(
        "['body', 'figure svg text'].map(name => getComputedStyle(document.querySelector(name)).fontFamily)"
    )
    assert fonts[0] == fonts[1]


def test_command_can_be_copied(run_folder, visit):
    page = visit(write_report(run_folder))
    page.evaluate("navigator.clipboard.writeText = async text => { window.copied = text; }")
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("window.copied").startswith(
        "limbeck distill --teacher cnn:32-64 --student cnn:8-16 --data"
    )


def test_page_reads_without_scripts(run_folder, visit):
    page = visit(write_report(run_folder), java_script_enabled=False)
    assert page.locator("pre.command").is_visible()
    assert page.get_by_role("button").count() == 0


def test_page_prints(run_folder, visit):
    page = visit(write_report(run_folder), color_scheme="dark")
    printed = page.pdf(format="A4")
    assert printed.startswith(b"%PDF")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.get_by_text("Copy", exact=True).is_visible()


def test_comparison_reads_on_a_phone(new_run, visit, tmp_path):
    path = compare_runs(
        [new_run("one"), new_run("a-rather-long-name-of-a-run" * 3)], tmp_path / "compare.html"
    )
    page = visit(path, viewport=PHONE)
    assert overflow(page) == 0
    assert page.locator("#pareto figure svg").count() == 3
