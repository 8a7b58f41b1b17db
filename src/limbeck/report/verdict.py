"""What distillation gave, said in a sentence, also when it gave nothing."""

from dataclasses import dataclass
from typing import Literal

from limbeck.report import formats
from limbeck.report.record import Gain, ModelFacts, RunRecord
from limbeck.report.roles import has_several_teachers
from limbeck.report.tables import interval

__all__ = ["Verdict", "verdict"]


@dataclass(frozen=True)
class Verdict:
    """The run's result in words.

    Example:
        >>> Verdict("helped", "It helped", "interval +1 to +2", ["It is small"]).sentence
        'It helped (interval +1 to +2). It is small.'
    """

    outcome: Literal["helped", "no evidence", "hurt", "not compared", "trained"]
    claim: str
    """The result itself, without a full stop."""
    evidence: str
    """What the claim rests on: interval and number of seeds."""
    context: list[str]
    """Clauses on the teacher and the size, each a sentence without its full stop."""

    @property
    def sentence(self) -> str:
        """The whole verdict as running text."""
        evidence = f" ({self.evidence})" if self.evidence else ""
        return " ".join([f"{self.claim}{evidence}.", *(f"{clause}." for clause in self.context)])


def verdict(record: RunRecord) -> Verdict:
    """Say what a run showed.

    Args:
        record: the run, of kind distill or train.

    Returns:
        The claim, its evidence and its context; a difference inside the noise is never called a gain.
    """
    student = record.model("student")
    if record.kind == "train" or student is None:
        return _trained(record)
    if record.gain is None:
        return _not_compared(record, student)
    return _compared(record, record.gain, student)


def _seeds(record: RunRecord) -> str:
    number = len(record.seeds)
    return f"{number} seed" + ("s" if number != 1 else "")


def _reaches(record: RunRecord, model: ModelFacts) -> tuple[str, str]:
    """Return ``97.84 % accuracy`` and the interval it rests on."""
    metric = record.protocol.metric
    score = model.scores.get(metric)
    mean = score.mean if score else None
    name = formats.metric_name(metric)
    value = formats.score(metric, mean)
    text = f"{value} {name}" if formats.is_fraction(metric) else f"{name} {value}"
    half = interval(score.values) if score else None
    if mean is None or half is None:
        return text, f"{_seeds(record)}, so no interval" if len(record.seeds) == 1 else _seeds(record)
    ends = mean - half, mean + half
    if formats.is_fraction(metric):
        ends = max(ends[0], 0.0), min(ends[1], 1.0)
    low, high = (formats.score(metric, end) for end in ends)
    return text, f"95{formats.GAP}% interval {low} to {high} over {_seeds(record)}"


def _trained(record: RunRecord) -> Verdict:
    model = record.model("model") or record.models[0]
    text, evidence = _reaches(record, model)
    return Verdict("trained", f"{model.name} reaches {text} on {record.data.name}", evidence, [])


def _not_compared(record: RunRecord, student: ModelFacts) -> Verdict:
    text, evidence = _reaches(record, student)
    size = _size(record, student)
    context = [f"It has {size}"] if size else []
    context.append(
        "It was not compared with the same student trained alone, so what distillation gave is unknown"
    )
    return Verdict("not compared", f"The distilled student reaches {text}", evidence, context)


def _compared(record: RunRecord, gain: Gain, student: ModelFacts) -> Verdict:
    higher_is_better = record.protocol.higher_is_better
    difference = f"{_difference(gain, higher_is_better=higher_is_better)} the same student trained alone"
    evidence = _interval(gain, len(record.seeds), higher_is_better=higher_is_better)
    context: list[str] = []
    if gain.absolute.ci95 is None:
        seeds = len(record.seeds)
        which = "one seed" if seeds == 1 else f"all {seeds} seeds"
        claim = f"No evidence either way: {which} gave {difference}"
        few = "One seed" if seeds == 1 else f"{seeds} equal differences"
        context.append(f"{few} cannot tell a gain from chance: run at least three seeds")
    elif gain.verdict == "helped":
        claim = f"Distillation helped: {difference}"
    elif gain.verdict == "hurt":
        claim = f"Distillation hurt: {difference}"
    else:
        claim = f"No evidence that distillation helped: {difference}"
    return Verdict(gain.verdict, claim, evidence, [*context, *_teacher_and_size(record, gain, student)])


def _difference(gain: Gain, *, higher_is_better: bool) -> str:
    """Return ``+1.84 points of accuracy over`` or ``RMSE 1.40 lower than``."""
    name, mean = formats.metric_name(gain.metric), gain.absolute.mean
    if formats.is_fraction(gain.metric):
        signed = mean if higher_is_better else -mean
        return f"{formats.points(gain.metric, signed)} points of {name} {'over' if mean >= 0 else 'against'}"
    raised = (mean > 0) == higher_is_better
    size = formats.points(gain.metric, abs(mean), signed=False)
    return f"{name} {size} {'higher' if raised else 'lower'} than"


def _interval(gain: Gain, seeds: int, *, higher_is_better: bool) -> str:
    if gain.absolute.ci95 is None:
        return ""
    low, high = gain.absolute.ci95 if higher_is_better else [-end for end in reversed(gain.absolute.ci95)]
    ends = f"{formats.points(gain.metric, low)} to {formats.points(gain.metric, high)}"
    zero = " includes zero" if gain.verdict == "no evidence" else ""
    return f"95{formats.GAP}% interval {ends}{zero}, {seeds} paired seeds"


def _teacher_is_better(record: RunRecord) -> bool | None:
    """Tell whether the teacher beats the student trained alone; None when either score is missing."""
    means = []
    for role in ("teacher", "alone"):
        model = record.model(role)
        score = model.scores.get(record.protocol.metric) if model else None
        if score is None or score.mean is None:
            return None
        means.append(score.mean)
    teacher, alone = means
    return teacher > alone if record.protocol.higher_is_better else teacher < alone


def _teacher_and_size(record: RunRecord, gain: Gain, student: ModelFacts) -> list[str]:
    """Set the gain against the teacher: how much of the gap, with what share of the parameters."""
    size, several = _size(record, student), has_several_teachers(record)
    if _teacher_is_better(record) is False:
        no_better = "The teachers together are no" if several else "The teacher is no"
        context = [f"{no_better} better than the student trained alone, so there was no gap to recover"]
    elif gain.verdict != "helped" or gain.gap_recovered is None:
        context = []  # a share of the gap would give noise a meaning
    else:
        part = formats.share(gain.gap_recovered, 1)
        done = "overtakes" if gain.gap_recovered >= 1 else f"recovers {part} of the gap to"
        told = f"The student {done} its teacher{'s together' if several else ''}"
        return [told + (f" with {size}" if size else "")]
    return [*context, *([f"It has {size}"] if size else [])]


def _size(record: RunRecord, student: ModelFacts) -> str:
    teacher = record.model("teacher")
    if teacher is None or not teacher.parameters or not student.parameters:
        return ""
    name, owner = (
        ("all teachers", "all teachers'") if teacher.networks > 1 else ("the teacher", "the teacher's")
    )
    if student.parameters < teacher.parameters:
        return f"{formats.share(student.parameters, teacher.parameters)} of {owner} parameters"
    if student.parameters == teacher.parameters:
        return f"as many parameters as {name}"
    return f"{formats.times(student.parameters / teacher.parameters)} {owner} parameters"
