import re
from xml.etree import ElementTree

import pytest

from limbeck.report import svg

EVIL = [
    "<script>alert(1)</script>",
    '"onload="alert(1)',
    "$x^{",
    "&amp;",
    "日本",
    "tab\there",
    "a" * 80,
    "\x00",
]


@pytest.fixture(scope="module")
def drawing():
    def paint(figure):
        axes = svg.bare_axes(figure)
        axes.plot([0, 1], [0, 1], color=svg.STUDENT, marker="o")
        axes.fill_between([0, 1], [0, 0], [1, 1], color=svg.TEACHER, alpha=0.2)
        axes.set_xticks(range(len(EVIL)), [svg.plain_text(name) for name in EVIL])
        axes.set_xlabel("epoch", color=svg.INK, weight="bold")

    return svg.draw("evil", EVIL[0], 300, 200, paint)


def test_drawing_is_one_well_formed_element(drawing):
    root = ElementTree.fromstring(drawing)
    assert root.tag == "svg"
    assert root.get("viewBox") == "0 0 300 200"
    assert root.get("aria-label") == EVIL[0]


def test_names_are_text_and_nothing_else(drawing):
    root = ElementTree.fromstring(drawing)
    assert "<script" not in drawing
    assert not [element for element in root.iter() if element.tag in ("script", "style", "image", "a")]
    assert not [key for element in root.iter() for key in element.attrib if key.startswith("on")]
    words = {element.text for element in root.iter("text")}
    assert words >= {"<script>alert(1…", '"onload="alert(…', "$x^{", "&amp;", "日本", "tab?here", "?"}


def test_colours_are_the_pages_own(drawing):
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawing)) == set()
    assert {"var(--student)", "var(--teacher)", "currentColor"} <= set(
        re.findall(r"var\(--\w+\)|currentColor", drawing)
    )
    assert "font-family" not in drawing
    assert "DejaVu" not in drawing


def test_references_stay_inside_the_drawing(drawing):
    root = ElementTree.fromstring(drawing)
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert all(name.startswith("evil-") for name in ids)
    used = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', drawing)
    assert used
    assert {one or other for one, other in used} <= set(ids)
    assert "http" not in drawing


def test_the_same_drawing_comes_out_the_same():
    def paint(figure):
        svg.bare_axes(figure).plot([0, 1], color=svg.INK)

    assert svg.draw("one", "", 100, 80, paint) == svg.draw("one", "", 100, 80, paint)


def test_a_persons_own_settings_are_neither_used_nor_changed():
    import matplotlib as mpl

    def paint(figure):
        svg.bare_axes(figure).plot([0, 1], color=svg.INK)

    expected = svg.draw("one", "", 100, 80, paint)
    with mpl.rc_context({"svg.fonttype": "path", "axes.facecolor": "red", "font.size": 30}):
        before = dict(mpl.rcParams)
        assert svg.draw("one", "", 100, 80, paint) == expected
        assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    ("style", "kept"),
    [
        ("font: 10px 'DejaVu Sans', sans-serif; text-anchor: middle", "font-size: 10px; text-anchor: middle"),
        (
            "font: 700 10.5px 'DejaVu Sans'; fill: #0a0b02",
            "font-weight: 700; font-size: 10.5px; fill: var(--muted)",
        ),
        ("font-size: 9px; font-family: 'A', 'B'; fill: #0a0b01", "font-size: 9px; fill: currentColor"),
    ],
)
def test_fonts_of_any_matplotlib_are_handed_to_the_page(style, kept):
    assert svg._attribute("style", style, "x") == kept
