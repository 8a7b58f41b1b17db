"""Relation-based knowledge. A sample is a list of numbers, or of lists of them (maps), which is flattened first."""

from collections.abc import Iterable
from itertools import product
from math import exp, factorial, fsum, log, sqrt
from typing import Any

from reference.response import dot, mean, pearson

Row = list[float]


def flat(sample: Any) -> Row:
    """Return a sample's numbers, however deep."""
    return [each for part in sample for each in flat(part)] if isinstance(sample, list) else [sample]


def rows(batch: list[Any]) -> list[Row]:
    return [flat(each) for each in batch]


def norm(row: Iterable[float]) -> float:
    return sqrt(fsum(each * each for each in row))


def unit(row: Row) -> Row:
    """Return the row at length one; zeros stay zeros."""
    size = norm(row)
    return [each / size if size else 0.0 for each in row]


def gram(batch: list[Row]) -> list[Row]:
    return [[dot(one, other) for other in batch] for one in batch]


def huber(apart: float) -> float:
    """Return x²/2 to 1, |x| − ½ beyond."""
    return 0.5 * apart * apart if abs(apart) <= 1 else abs(apart) - 0.5


def minus(one: Row, other: Row) -> Row:
    return [a - b for a, b in zip(one, other, strict=True)]


def rkd_distance(student: list[Any], teacher: list[Any]) -> float:
    """Return the mean over all N² pairs of Huber(d_s/μ_s − d_t/μ_t) (Park et al. 2019)."""
    count = len(student)

    def potentials(batch: list[Row]) -> list[Row]:
        apart = [[norm(minus(one, other)) for other in batch] for one in batch]
        middle = fsum(map(fsum, apart)) / (count * (count - 1))
        return [[each / middle if middle else 0.0 for each in row] for row in apart]

    ours, theirs = potentials(rows(student)), potentials(rows(teacher))
    return fsum(huber(ours[i][j] - theirs[i][j]) for i, j in product(range(count), repeat=2)) / count**2


def rkd_angle(student: list[Any], teacher: list[Any]) -> float:
    """Return the mean over all N³ triplets of Huber(cos_s − cos_t), the angle at j (Park et al. 2019)."""
    count = len(student)

    def cosine(batch: list[Row], i: int, j: int, k: int) -> float:
        return dot(unit(minus(batch[i], batch[j])), unit(minus(batch[k], batch[j])))

    ours, theirs = rows(student), rows(teacher)
    triplets = product(range(count), repeat=3)
    return fsum(huber(cosine(ours, *each) - cosine(theirs, *each)) for each in triplets) / count**3


def similarity_preserving(student: list[Any], teacher: list[Any]) -> float:
    """Return ‖G_s/row norm − G_t/row norm‖²_F / N² (Tung & Mori 2019)."""
    ours, theirs = ([unit(each) for each in gram(rows(side))] for side in (student, teacher))
    pairs = zip(ours, theirs, strict=True)
    return (
        fsum((a - b) ** 2 for one, other in pairs for a, b in zip(one, other, strict=True)) / len(ours) ** 2
    )


def correlation_congruence(
    student: list[Any], teacher: list[Any], gamma: float = 0.4, order: int | None = 2
) -> float:
    """Return the mean squared difference of the RBF kernels, as Taylor series (Peng et al. 2019)."""

    def kernel(one: Row, other: Row) -> float:
        cosine = dot(unit(one), unit(other))
        if order is None:
            return exp(-2 * gamma * (1 - cosine))
        return exp(-2 * gamma) * fsum((2 * gamma) ** p / factorial(p) * cosine**p for p in range(order + 1))

    ours, theirs = rows(student), rows(teacher)
    pairs = list(product(range(len(ours)), repeat=2))
    return mean([(kernel(ours[i], ours[j]) - kernel(theirs[i], theirs[j])) ** 2 for i, j in pairs])


def pkt(student: list[Any], teacher: list[Any], diagonal: bool = False) -> float:
    """Return the mean over i of KL of the affinities (cos + 1)/2, each row summing to one (Passalis & Tefas 2018)."""

    def affinities(batch: list[Row], i: int) -> Row:
        others = [each for each in range(len(batch)) if diagonal or each != i]
        found = [(dot(unit(batch[i]), unit(batch[j])) + 1) / 2 + 1e-6 for j in others]
        return [each / fsum(found) for each in found]

    ours, theirs = rows(student), rows(teacher)
    total = []
    for i in range(len(ours)):
        pairs = zip(affinities(theirs, i), affinities(ours, i), strict=True)
        total.append(fsum(p * (log(p) - log(q)) for p, q in pairs))
    return mean(total)


def ickd(student: list[Any], teacher: list[Any]) -> float:
    """Return the mean over samples of ‖Ĝ_s − Ĝ_t‖²_F / C, G the channels' Gram matrix (Liu et al. 2021)."""
    total = []
    for one, other in zip(student, teacher, strict=True):
        ours, theirs = ([unit(each) for each in gram(rows(side))] for side in (one, other))
        pairs = zip(ours, theirs, strict=True)
        total.append(fsum(norm(minus(a, b)) ** 2 for a, b in pairs) / len(ours))
    return mean(total)


def rdm(student: list[Any], teacher: list[Any]) -> float:
    """Return 1 − ρ of the upper triangles of 1 − Pearson between samples (Bashivan et al. 2019)."""

    def upper(batch: list[Row]) -> Row:
        return [1 - pearson(one, other) for place, one in enumerate(batch) for other in batch[place + 1 :]]

    return 1 - pearson(upper(rows(student)), upper(rows(teacher)))


def cka(student: list[Any], teacher: list[Any]) -> float:
    """Return 1 − ‖YᵀX‖²_F / (‖XᵀX‖_F ‖YᵀY‖_F) of centred features (Kornblith et al. 2019, linear CKA)."""

    def columns(batch: list[Row]) -> list[Row]:
        return [[each - mean(list(column)) for each in column] for column in zip(*batch, strict=True)]

    def overlap(one: list[Row], other: list[Row]) -> float:
        return fsum(dot(a, b) ** 2 for a in one for b in other)

    ours, theirs = columns(rows(student)), columns(rows(teacher))
    sizes = sqrt(overlap(ours, ours)), sqrt(overlap(theirs, theirs))
    return 1 - (overlap(ours, theirs) / (sizes[0] * sizes[1]) if min(sizes) else 0.0)
