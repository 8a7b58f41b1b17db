"""How closely the student follows whom it learnt from, and what becomes of that one's mistakes."""

from dataclasses import dataclass

from limbeck.report import formats
from limbeck.report.headline import plural
from limbeck.report.record import Mistakes, RunRecord
from limbeck.report.roles import tutor

__all__ = ["Closeness", "Mistaken", "Share", "closeness"]


@dataclass(frozen=True)
class Share:
    """A kind of mistakes, drawn as a part of a bar."""

    kind: str
    title: str
    number: int
    percent: float


@dataclass(frozen=True)
class Mistaken:
    """What became of the mistakes, in a sentence and as a bar."""

    sentence: str
    shares: list[Share]


@dataclass(frozen=True)
class Closeness:
    """Fidelity as the page tells it."""

    owner: str
    """Whose outputs are followed: ``the teacher's``."""
    agreement: str
    kl: str
    mistakes: Mistaken | None


def closeness(record: RunRecord) -> Closeness | None:
    """Return how closely the student follows; None where nobody taught it, or nothing was measured.

    Args:
        record: the run.
    """
    found, by = record.fidelity, tutor(record)
    if by is None or found is None or (found.agreement, found.kl, found.mistakes) == (None, None, None):
        return None
    return Closeness(
        owner=by.owner,
        agreement="" if found.agreement is None else formats.score("agreement", found.agreement),
        kl="" if found.kl is None else formats.score("kl", found.kl),
        mistakes=_mistaken(found.mistakes, by.name) if found.mistakes else None,
    )


def _mistaken(found: Mistakes, name: str) -> Mistaken:
    """Tell the teacher's mistakes from those that the student adds."""
    samples = plural(found.samples, "test sample")
    added = f"it adds {found.new or 'none'} of its own"
    if found.teacher:
        sentence = (
            f"Of the {plural(found.teacher, 'mistake')} of {name} on {samples} the student inherits "
            f"{found.inherited}, makes {found.otherwise} otherwise and corrects {found.corrected}; {added}."
        )
    else:
        verb = "make" if name.startswith("the teachers") else "makes"
        sentence = f"On {samples} {name} {verb} no mistake; the student makes {found.new or 'none'}."
    numbers = {
        "corrected": ("corrected", found.corrected),
        "otherwise": ("another wrong class", found.otherwise),
        "inherited": ("inherited", found.inherited),
        "new": ("new", found.new),
    }
    total = found.teacher + found.new
    shares = [
        Share(kind, title, number, round(100 * number / total, 1))
        for kind, (title, number) in numbers.items()
        if number
    ]
    return Mistaken(sentence, shares)
