"""Where a run's time went."""

from dataclasses import dataclass
from itertools import groupby

from limbeck.report import formats
from limbeck.report.record import Cache, RunRecord
from limbeck.report.roles import MOST_ALIKE, family, has_several_teachers, network_title

__all__ = ["Bar", "kept", "overhead", "spending", "waiting"]

MUCH = 0.2
"""Share of the training time from which waiting for data is worth a remedy."""
HANDED_OVER = 0.005
"""Seconds a step: less is about what it takes to hand a batch from a loading process to the training."""


@dataclass(frozen=True)
class Bar:
    """A cost that is drawn as a bar."""

    role: str
    title: str
    text: str
    percent: float


def spending(record: RunRecord) -> list[Bar]:
    """Return the training time of each network as bars, in the order it was spent; many of a kind share one."""
    shown = [network for network in record.cost.seconds if _has_trained(record, network)]
    longest, found = 0.0, []
    for role, group in groupby(shown, key=family):
        networks = list(group)
        if len(networks) > MOST_ALIKE:
            entries = {f"{len(networks)} {role}s": sum(record.cost.seconds[each] for each in networks)}
        else:
            entries = {_title(record, each): record.cost.seconds[each] for each in networks}
        longest = max(longest, *entries.values())
        found += [(role, *entry) for entry in entries.items()]
    return [
        Bar(role, title, formats.duration(seconds), round(100 * seconds / (longest or 1.0), 1))
        for role, title, seconds in found
    ]


def _has_trained(record: RunRecord, network: str) -> bool:
    """Tell whether a network has time of its own: not one that is several others, or a part of another's row."""
    if record.cost.seconds[network]:
        return True
    return network in ("alone", "student", "model") or (
        network == "teacher" and not has_several_teachers(record)
    )


def _title(record: RunRecord, network: str) -> str:
    together = network == "student" and record.model("peer") is not None
    return "student and peers" if together else network_title(network)


def overhead(record: RunRecord) -> str:
    """Say what distilling took over training alone, all networks between teacher and student included."""
    seconds = record.cost.seconds
    learners = ("student", "assistant", "generation")
    distilled = sum(spent for network, spent in seconds.items() if family(network) in learners)
    if not seconds.get("alone") or not distilled:
        return ""
    return f"Distilling took {formats.times(distilled / seconds['alone'])} the time of training the same student alone."


def waiting(record: RunRecord) -> str:
    """Say how much of the student's training time was spent waiting for data, and what to do where it is much."""
    share = record.cost.waiting
    if share is None:
        return ""
    whose = "student's training" if "student" in record.cost.seconds else "training"
    told = f"{formats.share(share, 1)} of the {whose} time was spent waiting for data"
    seconds = record.cost.seconds.get("student", record.cost.seconds.get("model", 0.0))
    steps = max(1, record.cost.student_steps * len(record.seeds))
    if share > MUCH and share * seconds / steps > HANDED_OVER:
        told += ": more loading processes (--workers) may shorten it"
    return f"{told}."


def kept(record: RunRecord) -> list[str]:
    """Say of each cache what it holds and what of the answers the teacher had to be run for."""
    return [_kept(each, record) for each in record.caches]


def _kept(cache: Cache, record: RunRecord) -> str:
    whom = "" if cache.network == "student" else f" for the {network_title(cache.network)}"
    views = f"{cache.views} view{'s' if cache.views > 1 else ''} of each sample"
    told = (
        f"The teacher's answers were kept{whom}: {views}, {cache.bytes_per_view:.1f} bytes each. It answered "
        f"{formats.count(cache.answers)} times and was run on {formats.count(cache.forwards)} samples for that"
    )
    if cache.kl is None:
        return f"{told}."
    if record.protocol.metric in ("rmse", "mae"):
        return f"{told}; kept values are {cache.kl:.2g} from live ones (mean squared difference)."
    return f"{told}; kept answers are {cache.kl:.2g} nats from live ones (mean KL)."
