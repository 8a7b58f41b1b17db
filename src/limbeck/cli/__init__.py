"""The command line: one verb, one recipe. Imports nothing heavy until a verb runs."""

import sys
from collections.abc import Sequence

from limbeck.cli import caching, looking, shipping, training
from limbeck.cli.app import app
from limbeck.cli.outcomes import outcome

__all__ = ["app", "main"]

STOPPED = 130
VERBS = (
    training.demo,
    training.train,
    training.distill,
    looking.evaluate,
    looking.report,
    looking.temperature,
    looking.layers,
    looking.schemes,
    looking.losses,
    shipping.export,
    shipping.cite,
)
"""In the order of ``limbeck --help``."""

for verb in VERBS:
    app.command()(verb)
app.add_typer(caching.cache, name="cache")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 when all went well; 2 for wrong input, told in a sentence; 130 after Ctrl-C.

    Args:
        arguments: words after ``limbeck``; those of the process unless given.
    """
    try:
        code = app(list(arguments) if arguments is not None else None, standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:
        sentence, code = outcome(error)
        if sentence is None:
            raise
        if sentence:
            print(f"limbeck: {sentence}", file=sys.stderr)
        return code
    if code == STOPPED:  # typer's own answer to Ctrl-C
        print(f"limbeck: {outcome(KeyboardInterrupt())[0]}", file=sys.stderr)
    return code if isinstance(code, int) else 0
