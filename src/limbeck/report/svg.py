"""Drawings by matplotlib as inline SVG that takes its colours and its font from the page around it."""

import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "ALONE",
    "BETTER",
    "BETWEEN",
    "DASHES",
    "INK",
    "LINE",
    "MUTED",
    "PAPER",
    "ROLE_COLOURS",
    "STUDENT",
    "TEACHER",
    "WORSE",
    "bare_axes",
    "draw",
    "plain_text",
]

# Matplotlib wants fixed colours, a page in dark mode wants others: each stands for a variable of the page.
INK, MUTED, LINE, PAPER = "#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04"
TEACHER, ALONE, STUDENT, BETTER, WORSE = "#0a0b05", "#0a0b06", "#0a0b07", "#0a0b08", "#0a0b09"
BETWEEN = "#0a0b0a"
_VARIABLES = {
    INK: "currentColor",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    PAPER: "var(--card)",
    TEACHER: "var(--teacher)",
    ALONE: "var(--alone)",
    STUDENT: "var(--student)",
    BETWEEN: "var(--between)",
    BETTER: "var(--better)",
    WORSE: "var(--worse)",
}

ROLE_COLOURS = {
    "teacher": TEACHER,
    "specialist": TEACHER,
    "assistant": BETWEEN,
    "generation": BETWEEN,
    "peer": BETWEEN,
    "alone": ALONE,
    "student": STUDENT,
    "model": STUDENT,
}
DASHES = {"teacher": (0, (1, 1.8)), "alone": (0, (5, 2.5))}

_SETTINGS = {
    "svg.fonttype": "none",  # text stays text: searchable, and in the page's font
    "text.parse_math": False,  # a class may be called $x$
    "text.usetex": False,
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "axes.labelcolor": MUTED,
    "axes.labelsize": 11,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "lines.solid_capstyle": "round",
}


def draw(name: str, label: str, width: float, height: float, paint: "Callable[[Figure], None]") -> str:
    """Draw a figure and return it as an ``<svg>`` element.

    Args:
        name: unique on the page; prefixes the ids inside the drawing.
        label: what the drawing shows, for those who cannot see it.
        width: natural width in CSS pixels; the page scales it down where it must.
        height: natural height in CSS pixels.
        paint: draws into the figure it is given, in the colours of this module.

    Returns:
        Markup without scripts, styles of its own, fixed colours, or references outside itself.

    Example:
        >>> def paint(figure):
        ...     bare_axes(figure).plot([1, 2], color=INK)
        >>> drawing = draw("line", "a < b", 100, 50, paint)
        >>> drawing.startswith('<svg role="img" aria-label="a &lt; b"'), "currentColor" in drawing
        (True, True)
    """
    from matplotlib import style
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    buffer = io.StringIO()
    # Not pyplot: the caller's own figures, backend and settings stay as they are.
    with style.context(["default", {**_SETTINGS, "svg.hashsalt": name}]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from", category=UserWarning)
        figure = Figure(
            figsize=(width / 72, height / 72), layout=ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03)
        )
        paint(figure)
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return _themed(buffer.getvalue(), name, label)


def bare_axes(figure: "Figure", *, grid: Literal["x", "y", "both"] = "y") -> "Axes":
    """Return axes with a base line and a faint grid, and nothing else.

    Args:
        figure: the figure to add them to.
        grid: the axis that has grid lines, ``x``, ``y`` or ``both``.
    """
    axes = figure.add_subplot()
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom" and grid != "x")
    axes.tick_params(length=0, pad=5)
    axes.grid(visible=True, axis=grid, color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    return axes


def plain_text(name: str, longest: int = 16) -> str:
    r"""Return a name that fits beside an axis: printable, and cut where it is too long.

    Example:
        >>> plain_text("a rather long class name"), plain_text("tab\there")
        ('a rather long c…', 'tab?here')
    """
    name = "".join(letter if letter.isprintable() else "?" for letter in name)
    return name if len(name) <= longest else name[: longest - 1].rstrip() + "…"


def _themed(document: str, name: str, label: str) -> str:
    """Cut the element out of matplotlib's document and hand its looks over to the page."""
    root = ElementTree.fromstring(document)
    view = root.get("viewBox", "")
    for element in list(root.iter()):
        _tidy(element, name)
    root.attrib = {"role": "img", "aria-label": label, "viewBox": view}
    return ElementTree.tostring(root, encoding="unicode")


def _tidy(element: ElementTree.Element, name: str) -> None:
    for child in list(element):
        child.tag = child.tag.rpartition("}")[2]
        child.tail = None
        if child.tag in ("metadata", "style") or (child.tag in ("g", "defs") and not len(child)):
            element.remove(child)
    element.tag = element.tag.rpartition("}")[2]
    if element.tag != "text":
        element.text = None
    given, element.attrib = element.attrib, {}
    for key, value in given.items():
        if key == "id" and element.tag == "g":  # matplotlib numbers groups alike in every drawing
            continue
        if key == "transform" and value.startswith("rotate(-0 "):
            continue
        element.set(key.rpartition("}")[2], _attribute(key, value, name))


def _attribute(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "style":
        value = re.sub(r"font-family:[^;]*;? ?", "", value)
        value = re.sub(r"font: (?:(\d+) )?([\d.]+px)[^;]*", r"font-weight: \1; font-size: \2", value)
        value = value.replace("font-weight: ; ", "")
        for colour, variable in _VARIABLES.items():
            value = value.replace(colour, variable)
    value = re.sub(r"(^|\()#", rf"\1#{name}-", value)  # references to the ids above
    value = re.sub(r"-?\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}", value)
    return " ".join(value.split())
