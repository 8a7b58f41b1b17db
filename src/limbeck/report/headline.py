"""The three big numbers under the verdict."""

from dataclasses import dataclass

from limbeck.report import formats
from limbeck.report.record import ModelFacts, RunRecord
from limbeck.report.roles import of_teachers, tutor
from limbeck.report.tables import interval

__all__ = ["Number", "numbers"]


@dataclass(frozen=True)
class Number:
    """A value, what it is, and a line of detail."""

    value: str
    unit: str
    name: str
    detail: str = ""
    tone: str = ""
    """``better`` or ``worse`` when the value is beyond the noise."""


def numbers(record: RunRecord) -> list[Number]:
    """Return what the run gained, how much of the way it went, and how small the result is.

    Where a run cannot say one of them, the next best thing stands in: the score itself, the agreement with
    the teacher, the latency, the number of parameters.
    """
    student = record.model("student") or record.model("model") or record.models[-1]
    return [
        _gain(record) or _score(record, student),
        _gap(record) or _agreement(record) or _latency(student),
        _smaller(record, student) or _parameters(student),
    ]


def _number(text: str, name: str, detail: str = "", tone: str = "") -> Number:
    value, _, unit = text.partition(formats.GAP)
    return Number(value, unit, name, detail, tone)


def _gain(record: RunRecord) -> Number | None:
    gain = record.gain
    if gain is None:
        return None
    sign = 1 if record.protocol.higher_is_better else -1
    detail = "one seed: no interval"
    if gain.absolute.ci95:
        low, high = (
            formats.points(gain.metric, end) for end in sorted(sign * end for end in gain.absolute.ci95)
        )
        detail = f"95{formats.GAP}% interval {low} to {high}"
    text = formats.points(gain.metric, sign * gain.absolute.mean)
    if formats.is_fraction(gain.metric):
        text += formats.GAP + "points"
    tone = {"helped": "better", "hurt": "worse"}.get(gain.verdict, "")
    return _number(text, f"{formats.metric_name(gain.metric)} against training alone", detail, tone)


def _score(record: RunRecord, model: ModelFacts) -> Number:
    metric = record.protocol.metric
    score = model.scores.get(metric)
    half = interval(score.values) if score else None
    detail = "one seed: no interval" if len(record.seeds) == 1 else f"over {len(record.seeds)} seeds"
    if half is not None:
        detail = f"± {formats.points(metric, half, signed=False)} {detail}"
    text = formats.score(metric, score.mean if score else None)
    return _number(text, f"{formats.metric_name(metric)} on the test set", detail)


def _gap(record: RunRecord) -> Number | None:
    gain = record.gain
    if gain is None or gain.gap_recovered is None or gain.verdict != "helped":
        return None  # a share of the gap would give noise a meaning
    return _number(
        formats.share(gain.gap_recovered, 1),
        "of the gap recovered",
        f"from alone (0) to {of_teachers(record)} (100)",
    )


def _agreement(record: RunRecord) -> Number | None:
    by = tutor(record)
    if by is None or record.fidelity is None or record.fidelity.agreement is None:
        return None
    text = formats.score("agreement", record.fidelity.agreement)
    return _number(text, f"agreement with {by.name}", "test samples given the same class")


def _latency(model: ModelFacts) -> Number:
    found = model.latency_ms
    detail = f"batch {found.batch}, {plural(found.threads, 'thread')}" if found else "not measured"
    return _number(formats.milliseconds(found.median if found else None), "latency", detail)


def _smaller(record: RunRecord, student: ModelFacts) -> Number | None:
    teacher = record.model("teacher")
    if teacher is None or not 0 < student.parameters < teacher.parameters:
        return None
    detail = f"{formats.count(student.parameters)} of {formats.count(teacher.parameters)} parameters"
    if (
        teacher.latency_ms
        and student.latency_ms
        and 0 < student.latency_ms.median < teacher.latency_ms.median
    ):
        detail += f", {formats.times(teacher.latency_ms.median / student.latency_ms.median)} as fast"
    return _number(
        formats.times(teacher.parameters / student.parameters), f"smaller than {of_teachers(record)}", detail
    )


def _parameters(model: ModelFacts) -> Number:
    return _number(formats.count(model.parameters), "parameters", f"{formats.size(model.bytes)} on disk")


def plural(number: int, thing: str) -> str:
    """Write a number of things in words of the right number.

    Example:
        >>> plural(1, "seed"), plural(3, "seed")
        ('1 seed', '3 seeds')
    """
    return f"{number} {thing}" + ("s" if number != 1 else "")
