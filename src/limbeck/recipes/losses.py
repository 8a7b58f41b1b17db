"""The losses there are, and what each needs."""

import inspect

from rich.console import Console
from rich.table import Table
from rich.text import Text

from limbeck import losses as room
from limbeck.errors import LimbeckError, did_you_mean
from limbeck.recipes.knowledge import LOSSES, MEASURED


def list_losses(console: Console, name: str | None = None) -> None:
    """Print a table of all losses, or all about one.

    Args:
        console: where it is printed.
        name: of one loss.

    Raises:
        LimbeckError: no such loss.
    """
    if name is not None:
        console.print(Text(told_in_full(name)), soft_wrap=True)
        return
    for kind in ("response", "feature", "relation"):
        table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column()
        for each in (one for one in LOSSES if getattr(room, one).kind == kind):
            name, idea, facts = row(each)
            table.add_row(Text(name, style="bold"), Text(f"{idea}\n").append(facts, style="dim"))
        console.print(Text(f"{kind}-based knowledge", style="bold underline"), table, "", sep="\n")
    console.print("All about one: limbeck losses NAME", highlight=False)


def row(name: str) -> tuple[str, str, str]:
    """Return a loss's name, its idea in a line, and where it listens, what it needs and its paper.

    Example:
        >>> row("KD")[1:]
        ("Match the teacher's softened class probabilities", 'logits; Hinton, Vinyals, Dean 2015, arXiv 1503.02531')
    """
    kind = getattr(room, name)
    first = (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")
    idea = first.partition(":")[0].rstrip(".")
    wants = f"; needs {needs(name)}" if needs(name) else ""
    return name, idea, f"{kind.place}{wants}; {kind.paper}"


def needs(name: str) -> str:
    """Return what a loss cannot do without.

    Example:
        >>> needs("KD")
        ''
    """
    kind = getattr(room, name)
    found = sorted(kind.needs)
    if kind.smallest_batch > 1:
        found.append(f"{kind.smallest_batch} samples")
    if kind.first_stage:
        found.append("a first stage")
    return ", ".join(found)


def told_in_full(name: str) -> str:
    """Return a loss's settings with their defaults, and its documentation.

    Raises:
        LimbeckError: no such loss.

    Example:
        >>> print(told_in_full("KD").splitlines()[0])
        KD(temperature=4.0)
    """
    if name not in LOSSES:
        raise LimbeckError(f"No loss {name!r}: `limbeck losses` lists them.{did_you_mean(name, LOSSES)}")
    kind = getattr(room, name)
    parameters = inspect.signature(kind).parameters.values()
    own = ", ".join(f"{each.name}={each.default!r}" for each in parameters if each.name not in MEASURED)
    hard, soft = kind.usual_weights
    facts = [
        f"{name}({own})",
        f"Knowledge: {kind.kind}. Between: {kind.place}. Needs: {needs(name) or 'nothing more'}.",
        f"Usual weights: {hard:g} for the labels, {soft:g} for this loss.",
        f"Paper: {kind.paper}.",
    ]
    return "\n".join(facts) + "\n\n" + (inspect.getdoc(kind) or "")
