"""What a run used, as BibTeX: the papers of its losses and networks, its data, the libraries under it.

The entries stand in ``citations.bib``; the line above each says which runs it belongs to.
"""

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

__all__ = ["citations_for", "entries"]


def citations_for(record: Mapping[str, Any]) -> str:
    """Return BibTeX for what a run used.

    Args:
        record: the run's ``run.json``.

    Returns:
        The entries, most specific first, each under a comment naming the use that called for it; above them a
        comment names data that limbeck does not know the source of.

    Example:
        >>> record = {"recipe": {"kd": {"loss": "KD"}}, "data": {"name": "digits"}, "models": []}
        >>> print(citations_for(record))  # doctest: +ELLIPSIS
        % loss:KD
        @misc{hinton2015distilling,
        ...
    """
    specs = [str(each.get("name", "")) for each in record.get("models") or []]
    data = str((record.get("data") or {}).get("name", ""))
    used = {"always", *_settings(record.get("recipe") or {})}
    known = entries()
    triggers = {each for uses, _ in known for each in uses}
    used |= {f"door:{spec.partition(':')[0]}" for spec in specs if ":" in spec}
    used |= {each for spec in specs for each in _longest(triggers, "net:", spec.partition(":")[2])}
    found_data = _longest(triggers, "data:", data, anywhere=True)
    used |= set(found_data)
    notes = [] if found_data or not data else [f"% data {data}: cite where it comes from"]
    wanted = {each.lower() for each in used}
    parts = []
    for uses, entry in known:
        hits = [each for each in uses if each.lower() in wanted]
        if hits:
            parts.append(f"% {' '.join(hits)}\n{entry}" if hits != ["always"] else entry)
    return "\n\n".join([*notes, *parts])


def entries() -> list[tuple[list[str], str]]:
    """Return every known entry, with the uses that call for it.

    Example:
        >>> uses, entry = entries()[0]
        >>> uses[0], entry.splitlines()[0]
        ('loss:KD', '@misc{hinton2015distilling,')
    """
    text = files("limbeck").joinpath("citations.bib").read_text(encoding="utf-8")
    found = re.findall(r"^% (\S.*)\n(@\w+\{(?:.|\n)*?^\})", text, flags=re.MULTILINE)
    return [(uses.split(), entry) for uses, entry in found]


def _settings(recipe: Mapping[str, Any]) -> Iterator[str]:
    """Yield ``key:value`` for every word in a recipe, however deep: ``loss:KD``, ``optimizer:adamw``.

    Of a word with a number behind it also the word alone, ``mix:mixup``; of a number above 1 that it is ``several``.
    """
    for key, value in recipe.items():
        for each in value if isinstance(value, list | tuple) else [value]:
            if isinstance(each, Mapping):
                yield from _settings(each)
            elif isinstance(each, str):
                yield f"{key}:{each}"
                yield f"{key}:{re.sub(r'-[0-9.e-]+$', '', each)}"
            elif isinstance(each, int) and each > 1:
                yield f"{key}:several"


def _longest(triggers: set[str], kind: str, text: str, anywhere: bool = False) -> list[str]:
    """Return the longest trigger of a kind that stands in ``text`` as a word, or nothing.

    The longest, since fashion-mnist is not mnist; as a word, since resnext50 is no resnet.
    """
    text = text.lower()
    found = []
    for trigger in triggers:
        word = re.escape(trigger.removeprefix(kind))
        start = r"(?<![a-z])" if anywhere else "^"
        if trigger.startswith(kind) and re.search(rf"{start}{word}(?![a-z])", text):
            found.append(trigger)
    return sorted(found, key=len)[-1:]
