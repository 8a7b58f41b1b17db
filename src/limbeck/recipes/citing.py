"""What a finished run used, as BibTeX."""

from pathlib import Path

from limbeck.citations import citations_for
from limbeck.report.record import read_run


def cite_run(run: Path) -> str:
    """Return BibTeX for the methods, networks, data and libraries of a run.

    Args:
        run: the run folder.

    Raises:
        LimbeckError: the folder holds no finished run.

    Example:
        >>> cite_run(Path("no/such/run"))
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: No finished run in no/such/run: the folder does not exist. ...
    """
    return citations_for(read_run(run).model_dump(mode="json", by_alias=True))
