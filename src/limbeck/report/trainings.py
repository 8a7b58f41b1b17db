"""How a run was trained: its stages in order, what was corrected, what was kept private."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from limbeck.report import formats
from limbeck.report.headline import plural
from limbeck.report.record import Bias, Privacy, RunRecord, Stage
from limbeck.report.roles import MOST_ALIKE, distilled_by, family, network_facts, network_title

__all__ = [
    "BiasRow",
    "Lesson",
    "Training",
    "bias_classes",
    "bias_rows",
    "privacy_claim",
    "privacy_rows",
    "trainings",
]

MOST_RECALLS = 3
"""Of so many corrected classes each one's recall is shown; of more, their mean."""


@dataclass(frozen=True)
class Lesson:
    """One stage of a network's training, drawn as a part of a bar."""

    name: str
    """Nothing where the training has no other stage."""
    left: float
    """Where it begins, in per cent of the longest training's steps."""
    width: float
    epochs: str
    steps: str


@dataclass(frozen=True)
class Training:
    """One network's training, or that of many alike."""

    role: str
    title: str
    name: str
    """The network's spec; nothing where it was not measured."""
    lessons: list[Lesson]
    times: str
    """``once``, ``3 seeds``."""
    seconds: str


def trainings(record: RunRecord) -> list[Training]:
    """Return what was trained, in order; nothing where it goes without saying.

    Args:
        record: the run.

    Returns:
        Every training where a scheme other than the usual one put them together, or where one had several stages.
    """
    if not distilled_by(record) and len({each.network for each in record.stages}) == len(record.stages):
        return []
    longest = max((each.steps for each in record.stages), default=0) or 1
    found = []
    for _, alike in groupby(_by_network(record.stages), key=lambda stages: family(stages[0].network)):
        group = list(alike)
        if len(group) > MOST_ALIKE:
            found.append(_training(record, group[0], longest, group))
        else:
            found += [_training(record, stages, longest) for stages in group]
    return found


def _by_network(stages: Sequence[Stage]) -> list[list[Stage]]:
    found: dict[str, list[Stage]] = {}
    for each in stages:
        found.setdefault(each.network, []).append(each)
    return list(found.values())


def _training(
    record: RunRecord, stages: Sequence[Stage], longest: int, alike: Sequence[Sequence[Stage]] = ()
) -> Training:
    """Return one network's row, which stands for all those alike."""
    network = stages[0].network
    facts, seeds = network_facts(record, network), stages[0].seeds
    spent = sum(record.cost.seconds.get(each[0].network, 0.0) for each in (alike or [stages]))
    starts = [0, *(each.steps for each in stages)]
    return Training(
        role=family(network),
        title=f"{len(alike)} {family(network)}s" if alike else network_title(network),
        name=facts.name if facts else "",
        lessons=[
            Lesson(
                name=each.stage if len(stages) > 1 else "",
                left=round(100 * start / longest, 1),
                width=round(100 * (each.steps - start) / longest, 1),
                epochs=str(each.epochs),
                steps=f"{each.steps - start:,}",
            )
            for start, each in zip(starts, stages, strict=False)
        ],
        times=f"{len(alike)} networks"
        if alike
        else "once"
        if len(seeds) == 1
        else plural(len(seeds), "seed"),
        seconds=formats.duration(spent) if spent else formats.UNKNOWN,
    )


@dataclass(frozen=True)
class BiasRow:
    """The correction of one student's output biases."""

    seed: int
    title: str
    shift: str
    accuracy: str
    recalls: list[str]


def bias_classes(record: RunRecord) -> list[str]:
    """Return the heads of the recalls: the corrected classes, or what stands for many."""
    classes = record.bias[0].classes if record.bias else []
    return list(classes) if len(classes) <= MOST_RECALLS else [f"mean of {len(classes)} classes"]


def bias_rows(record: RunRecord) -> list[BiasRow]:
    """Return each correction, with what it did on the validation samples it was chosen on."""
    return [
        BiasRow(
            seed=each.seed,
            title=network_title(each.network),
            shift=("+" if each.shift >= 0 else "") + formats.significant(each.shift, 2),
            accuracy=_change(each.before, each.after),
            recalls=[_change(*pair) for pair in _recalls(each)],
        )
        for each in record.bias
    ]


def _recalls(bias: Bias) -> list[tuple[float | None, float | None]]:
    if len(bias.classes) <= MOST_RECALLS:
        return list(zip(bias.recall_before, bias.recall_after, strict=True))
    return [(_mean(bias.recall_before), _mean(bias.recall_after))]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _change(before: float | None, after: float | None) -> str:
    first = formats.score("accuracy", before).partition(formats.GAP)[0]
    return f"{first} → {formats.score('accuracy', after)}"


def privacy_claim(privacy: Privacy) -> str:
    """Say how much is private."""
    if privacy.epsilon is None:
        return "Nothing is private: there is no bound"
    epsilon, delta = formats.significant(privacy.epsilon, 3), formats.significant(privacy.delta, 1)
    return f"ε{formats.GAP}={formats.GAP}{epsilon} at δ{formats.GAP}={formats.GAP}{delta}"


def privacy_rows(privacy: Privacy) -> list[tuple[str, str]]:
    """Return what the bound rests on, as pairs of a name and a text."""
    votes = f"{privacy.mechanism.capitalize()}, {formats.significant(privacy.noise, 3)} votes"
    found = [
        ("Teachers that vote", f"{privacy.teachers:,}"),
        ("Samples answered", f"{privacy.answered:,} of {privacy.asked:,}"),
        ("Noise", votes),
        ("Accountant", privacy.accountant),
    ]
    if privacy.records is not None:
        found.insert(0, ("Private records", f"{privacy.records:,}"))
    return found
