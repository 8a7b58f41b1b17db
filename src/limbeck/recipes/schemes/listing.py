"""The schemes there are, and when one takes which."""

import inspect
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from limbeck.errors import LimbeckError, did_you_mean
from limbeck.recipes.schemes import NAMES
from limbeck.recipes.schemes.base import SchemeRecipe


def list_schemes(console: Console, name: str | None = None) -> None:
    """Print a table of all schemes, or all about one.

    Args:
        console: where it is printed.
        name: of one scheme.

    Raises:
        LimbeckError: no such scheme.
    """
    if name is not None:
        console.print(Text(told_in_full(name)), soft_wrap=True)
        return
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for each, recipe in NAMES.items():
        situation = Text(f"{recipe.situation}\n").append(f"{recipe.title}; {recipe.paper}", style="dim")
        table.add_row(Text(each, style="bold"), situation)
    console.print(table, "", sep="\n")
    console.print(
        "All about one: limbeck schemes NAME. Take one: limbeck distill --scheme NAME", highlight=False
    )


def told_in_full(name: str) -> str:
    """Return what a scheme does, what it takes and its settings with their defaults.

    Raises:
        LimbeckError: no such scheme.

    Example:
        >>> print(told_in_full("LastEpochs").splitlines()[0])
        LastEpochs: A snapshot of the student, taken late in training, teaches it for the epochs that remain.
    """
    if name not in NAMES:
        raise LimbeckError(f"No scheme {name!r}: `limbeck schemes` lists them.{did_you_mean(name, NAMES)}")
    recipe = NAMES[name]
    doc = inspect.getdoc(recipe) or ""
    lines = [f"{name}: {doc}", "", f"Paper: {recipe.paper}.", f"Takes: {_takes(recipe)}."]
    settings = {key: field for key, field in recipe.model_fields.items() if key != "name"}
    if settings:
        lines.append("Settings (--set scheme.NAME=VALUE, or in a file under scheme):")
    for key, field in settings.items():
        about = " ".join((field.description or "").split())
        lines.append(f"  {key} = {_value(field.get_default(call_default_factory=True))}: {about}")
    return "\n".join(lines)


def _takes(recipe: type[SchemeRecipe]) -> str:
    least, most = recipe.teachers
    teachers = {(0, 0): "no teacher", (1, 1): "one teacher", (0, 1): "a teacher or none"}.get(
        (least, most), "one teacher or more" if least == 1 else f"{least} teachers or more"
    )
    usual = "".join(f", {key} {value}" for key, value in recipe.usual.items() if key != "loss")
    taught = f"; teaches by {recipe.usual['loss']}{usual} unless told" if recipe.usual else ""
    return teachers + (", samples without labels" if recipe.needs_unlabelled else "") + taught


def _value(default: Any) -> str:
    return "none" if default is None else str(default)
