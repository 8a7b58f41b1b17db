"""What the sections of the page say, as plain values; the templates only lay them out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from limbeck.report import formats
from limbeck.report.headline import plural
from limbeck.report.record import ModelFacts, RunRecord
from limbeck.report.roles import has_several_teachers, ordered, role_title, whole
from limbeck.report.tables import ClassRow, score_interval, seed_scores

__all__ = [
    "Cell",
    "Column",
    "ModelTable",
    "class_extremes",
    "model_table",
    "provenance",
]

MOST_TEACHERS = 3
"""Up to so many teachers are all named; more by how they are put together."""
MOST_CLASSES = 16
"""Up to so many classes are all shown; of more, only those that moved most."""


@dataclass(frozen=True)
class Link:
    """Networks that have one place in the chain from the teacher to the student."""

    names: list[str]
    joint: str
    """Between their names."""


@dataclass(frozen=True)
class Column:
    """The head of a model's column."""

    role: str
    title: str
    name: str


@dataclass(frozen=True)
class Cell:
    """A value and a quieter remark below it: its interval, or its share of the teacher's."""

    value: str
    remark: str = ""


Rows = list[tuple[str, list[Cell]]]


@dataclass(frozen=True)
class ModelTable:
    """The models side by side."""

    columns: list[Column]
    quality: Rows = field(default_factory=list)
    size: Rows = field(default_factory=list)


def chain(record: RunRecord) -> list[Link]:
    """Return who teaches whom, by their specs, from the teachers to the result."""
    single = [each for each in ordered(record.models) if each.networks == 1]
    together = record.model("teacher")
    teachers = [each.name for each in single if each.role == "teacher"]
    if together and together.networks > 1 and not 0 < len(teachers) <= MOST_TEACHERS:
        teachers = [together.name]
    found = [Link(teachers, "+")] if teachers else []
    found += [Link([each.name], "") for each in single if each.role == "assistant"]
    results = [each for each in single if each.role in ("student", "model") and each.part == "all"]
    peers = [each for each in single if each.role == "peer"]
    return [*found, Link([each.name for each in (*results, *peers)], "⇄")]


def model_table(record: RunRecord) -> ModelTable:
    """Return the models of all the data as columns and what was measured of them as rows."""
    models = whole(record.models)
    table = ModelTable([Column(each.role, role_title(each, record.models), each.name) for each in models])
    metric = record.protocol.metric
    for name in dict.fromkeys([metric, *(name for each in models for name in each.scores)]):
        cells = [_score_cell(record, each, name, last=False) for each in models]
        table.quality.append((_capital(formats.metric_name(name)), cells))
    if any(metric in each.last_scores for each in models):
        cells = [_score_cell(record, each, metric, last=True) for each in models]
        table.quality.append((f"{_capital(formats.metric_name(metric))}, last epoch", cells))
    table.size.extend(_size_rows(models, record.model("teacher")))
    return table


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _score_cell(record: RunRecord, model: ModelFacts, metric: str, *, last: bool) -> Cell:
    score = (model.last_scores if last else model.scores).get(metric)
    if score is None:
        return Cell(formats.UNKNOWN)
    half = score_interval(record, model, score)
    remark = "" if half is None else f"±{formats.GAP}{formats.points(metric, half, signed=False)}"
    return Cell(formats.score(metric, score.mean), remark)


def _size_rows(models: Sequence[ModelFacts], teacher: ModelFacts | None) -> Rows:
    measures: list[tuple[str, Callable[[float | None], str], Callable[[ModelFacts], float | None]]] = [
        ("Parameters", formats.count, lambda each: each.parameters),
        ("Multiply-accumulates (MACs)", formats.count, lambda each: each.macs),
        ("Size on disk", formats.size, lambda each: each.bytes),
        ("Latency", formats.milliseconds, lambda each: each.latency_ms.median if each.latency_ms else None),
    ]
    rows = []
    for title, write, read in measures:
        whole = read(teacher) if teacher else None
        cells = []
        for each in models:
            value = read(each)
            share = formats.share(value, whole) if value is not None and whole else ""
            cells.append(Cell(write(value), share if each is not teacher else ""))
        rows.append((title, cells))
    return rows


@dataclass(frozen=True)
class Gap:
    """The way from alone to the teacher, and how far along it the student is."""

    alone: str
    student: str
    teacher: str
    percent: float


def gap(record: RunRecord) -> Gap | None:
    """Return the gap when distillation closed a part of it; otherwise there is nothing to draw."""
    found = record.gain
    if found is None or found.verdict != "helped" or found.gap_recovered is None:
        return None
    if not 0 < found.gap_recovered <= 1:
        return None
    metric = record.protocol.metric
    means = {}
    for role in ("alone", "student", "teacher"):
        model = record.model(role)
        score = model.scores.get(metric) if model else None
        means[role] = formats.score(metric, score.mean if score else None)
    return Gap(means["alone"], means["student"], means["teacher"], round(100 * found.gap_recovered, 1))


def latency_note(record: RunRecord) -> str:
    """Say how the latencies were measured."""
    found = [each.latency_ms for each in record.models if each.latency_ms]
    if not found:
        return ""
    spread = max(each.iqr for each in found)
    return (
        f"Latency is the median of a forward pass at batch {found[0].batch} on "
        f"{plural(found[0].threads, 'thread')} (interquartile range at most {formats.milliseconds(spread)})."
    )


@dataclass(frozen=True)
class SeedRow:
    """One seed's pair of scores."""

    seed: int
    alone: str
    student: str
    difference: str
    tone: str


def seed_rows(record: RunRecord) -> list[SeedRow]:
    """Return the paired scores of each seed; nothing when the student was not trained alone."""
    metric = record.protocol.metric
    alone, student = seed_scores(record, "alone"), seed_scores(record, "student")
    if not alone or len(alone) != len(student):
        return []
    rows = []
    for seed, before, after in zip(record.seeds, alone, student, strict=False):
        better = (after > before) == record.protocol.higher_is_better
        rows.append(
            SeedRow(
                seed=seed,
                alone=formats.score(metric, before),
                student=formats.score(metric, after),
                difference=formats.points(metric, after - before),
                tone="" if after == before else "better" if better else "worse",
            )
        )
    return rows


def mean_gain(record: RunRecord) -> str:
    """Return the mean difference over alone and half its interval, in the metric's own direction."""
    gain = record.gain
    if gain is None:
        return formats.UNKNOWN
    sign = 1 if record.protocol.higher_is_better else -1
    text = formats.points(gain.metric, sign * gain.absolute.mean)
    if gain.absolute.ci95:
        low, high = gain.absolute.ci95
        text += f" ±{formats.GAP}{formats.points(gain.metric, (high - low) / 2, signed=False)}"
    return text


def class_extremes(rows: Sequence[ClassRow]) -> tuple[list[ClassRow], int]:
    """Return the classes to show, and how many in between are left out.

    Args:
        rows: every class, the biggest gain first.
    """
    if len(rows) <= MOST_CLASSES:
        return list(rows), 0
    half = MOST_CLASSES // 2
    known = [row for row in rows if row.student is not None]
    return [*known[:half], *known[-half:]], len(rows) - 2 * half


def uneven(rows: Sequence[ClassRow]) -> bool:
    """Tell whether the classes differ so much in size that the page should say each one's."""
    sizes = [row.samples for row in rows]
    return bool(sizes) and max(sizes) > 1.3 * min(sizes)


def sample_weight(rows: Sequence[ClassRow]) -> str:
    """Say how many points one test sample is in a class of median size."""
    sizes = sorted(row.samples for row in rows if row.samples)
    if not sizes:
        return "nothing"
    return f"{100 / sizes[len(sizes) // 2]:.1f} points"


def provenance(record: RunRecord) -> list[tuple[str, str]]:
    """Return where the numbers come from, as pairs of a name and a text."""
    data, protocol, environment = record.data, record.protocol, record.environment
    classes = f", {len(data.classes)} classes" if data.classes else ""
    found = [
        ("Data", f"{data.name} ({data.task}{classes})"),
        ("Samples", f"{data.train:,} to train, {data.validation:,} to validate, {data.test:,} to test"),
        ("Fingerprint", data.fingerprint),
        ("Seeds", ", ".join(str(seed) for seed in record.seeds)),
        ("Scored weights", f"{protocol.selection}; the test set is read once per seed"),
    ]
    if protocol.teacher:
        how = {"fixed": "the same for every seed", "retrained": "retrained for each seed"}[protocol.teacher]
        source = "trained by this run" if protocol.teacher_trained_here else "given"
        found.append(("Teachers" if has_several_teachers(record) else "Teacher", f"{source}, {how}"))
    if record.teacher_precision:
        precision = record.teacher_precision
        moved = (
            ""
            if precision.kl is None
            else f"its outputs moved by KL {formats.significant(precision.kl, 2)}, "
        )
        compiled = ", compiled" if precision.compiled else ""
        text = f"{precision.choice}{compiled} ({moved}tolerance {precision.tolerance:g})"
        found.append(("Teacher's precision", text))
    if record.exported:
        text = record.exported.file
        if record.exported.max_difference is not None:
            difference = formats.significant(record.exported.max_difference, 2)
            text += f", at most {difference} from PyTorch's outputs"
        found.append(("Exported", text))
    place = f"Python {environment.python}, PyTorch {environment.torch}, {environment.device}, "
    found.append(("Environment", place + plural(environment.threads, "thread")))
    found.append(("Commit", environment.git or "not in a repository"))
    return found
