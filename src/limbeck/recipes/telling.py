"""Plain words and tables on a person's console."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


def say(console: Console, text: str) -> None:
    """Print ``text`` as it is: no markup, no emoji, no colours, and paths in one piece to copy.

    Example:
        >>> import sys
        >>> say(Console(file=sys.stdout), "folder:cat: wrote runs/[a]/student.onnx")
        folder:cat: wrote runs/[a]/student.onnx
    """
    console.print(text, highlight=False, markup=False, emoji=False, soft_wrap=True)


def show_table(
    console: Console, columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None
) -> None:
    """Print a table: the first column to the left, numbers to the right.

    Args:
        console: where to.
        columns: their heads; a second line of a head is printed faintly.
        rows: of cells.
        title: a line above.

    Example:
        >>> import sys
        >>> show_table(Console(file=sys.stdout, width=40), ["T", "entropy"], [["1", "0.25"]])
        T  entropy
        1     0.25
    """
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        head, _, below = column.partition("\n")
        text = Text(head, style="bold")
        if below:
            text.append(f"\n{below}", style="not bold dim")
        table.add_column(text, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    if title is not None:
        say(console, title)
    console.print(table)
