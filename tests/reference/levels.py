"""Feature-based knowledge of several layers: lists of maps, from shallow to deep."""

from itertools import pairwise
from math import exp, fsum

from reference.layers import (
    Maps,
    Parameters,
    Row,
    Rows,
    batch_norm,
    bottleneck,
    conv,
    linear,
    mean,
    mean_square,
    nearest,
    numbers,
    pool,
    pooled,
    size,
    smaller,
    unit,
)


def fsp(student: list[Maps], teacher: list[Maps]) -> float:
    """Return the sum over consecutive layers of the mean (G_s − G_t)² (Yim et al. 2017)."""
    pairs = zip(pairwise(student), pairwise(teacher), strict=True)
    return fsum(mean_square(flow(*ours), flow(*theirs)) for ours, theirs in pairs)


def flow(first: Maps, last: Maps) -> list[Rows]:
    """Return G[n][i][j] = 1/(h·w) · Σ_hw F_a[n, i, hw] · F_b[n, j, hw], both max-pooled to the smaller size."""
    shape = smaller(first, last)
    return [
        [
            [mean([a * b for a, b in zip(numbers(one), numbers(other), strict=True)]) for other in there]
            for one in here
        ]
        for here, there in zip(pool(first, *shape, max), pool(last, *shape, max), strict=True)
    ]


def overhaul_feature(student: list[Maps], teacher: list[Maps], margins: list[Row] | None = None) -> float:
    """Return Σ_l 2^(l−L) of the partial L2 to max(F_t, m), over N·D_L (Heo et al. 2019)."""
    total = []
    for level, (ours, theirs) in enumerate(zip(student, teacher, strict=True)):
        weight = 0.5 ** (len(student) - 1 - level)
        for channel in range(len(theirs[0])):
            taught = [v for sample in theirs for v in numbers(sample[channel])]
            known = [v for sample in ours for v in numbers(sample[channel])]
            below = [v for v in taught if v < 0]
            margin = margins[level][channel] if margins else (mean(below) if below else 0.0)
            for s, t in zip(known, taught, strict=True):
                target = max(t, margin)
                total.append(0.0 if s <= target <= 0 else weight * (s - target) ** 2)
    return fsum(total) / len(list(numbers(teacher[-1])))


def review_kd(
    student: list[Maps], teacher: list[Maps], parameters: Parameters, running: bool = False
) -> float:
    """Return Σ_k HCL(O_k, T_k), levels fused from deep to shallow (Chen et al. 2021)."""
    total, deeper = [], None
    for level in reversed(range(len(student))):
        name = f"fusions.{level}"
        maps = conv(student[level], parameters[f"{name}.own.0.weight"])
        maps = batch_norm(maps, parameters, f"{name}.own.1", running)
        if deeper is not None:
            maps = fused(maps, nearest(deeper, *size(maps)), parameters, f"{name}.attention")
        deeper = maps
        out = conv(nearest(maps, *size(teacher[level])), parameters[f"{name}.out.0.weight"], padding=1)
        out = batch_norm(out, parameters, f"{name}.out.1", running)
        total.append(hierarchical_context(out, teacher[level]))
    return fsum(total)


def fused(own: Maps, deeper: Maps, parameters: Parameters, name: str) -> Maps:
    """Return a_1·x + a_2·y, the attention maps a made from both by a convolution 1×1 and a sigmoid."""
    both = [one + other for one, other in zip(own, deeper, strict=True)]
    weights = conv(both, parameters[f"{name}.weight"], parameters[f"{name}.bias"])
    height, width = size(own)
    return [
        [
            [
                [sigmoid(a[0][i][j]) * x[i][j] + sigmoid(a[1][i][j]) * y[i][j] for j in range(width)]
                for i in range(height)
            ]
            for x, y in zip(one, other, strict=True)
        ]
        for one, other, a in zip(own, deeper, weights, strict=True)
    ]


def sigmoid(value: float) -> float:
    return 1 / (1 + exp(-value)) if value > 0 else exp(value) / (1 + exp(value))


def hierarchical_context(student: Maps, teacher: Maps) -> float:
    """Return the mean of MSEs at full size and in grids of 4, 2, 1 that are smaller, weighted 1, ½, ¼ …"""
    height, width = size(teacher)
    value, weight, whole = mean_square(student, teacher), 1.0, 1.0
    for grid in (4, 2, 1):
        if grid < height or grid < width:
            shape = min(grid, height), min(grid, width)
            weight /= 2
            value += weight * mean_square(pool(student, *shape), pool(teacher, *shape))
            whole += weight
    return value / whole


def sem_ckd(
    student: list[Maps],
    teacher: list[Maps],
    parameters: Parameters,
    width: int = 16,
    temperature: float = 1.0,
    running: bool = False,
) -> float:
    """Return 1/(N·S) · Σ_n Σ_s Σ_t α(n, s, t) · d_st(n) (Chen et al. 2021)."""
    queries = [embedded(maps, parameters, f"queries.{s}", width) for s, maps in enumerate(student)]
    keys = [embedded(maps, parameters, f"keys.{t}", width) for t, maps in enumerate(teacher)]
    total = []
    for s, ours in enumerate(student):
        apart = [
            distances(ours, theirs, parameters, f"projectors.{s * len(teacher) + t}", running)
            for t, theirs in enumerate(teacher)
        ]
        for n, query in enumerate(queries[s]):
            raised = [exp(dot(query, key[n]) / temperature) for key in keys]
            total.append(fsum(a / fsum(raised) * d[n] for a, d in zip(raised, apart, strict=True)))
    return mean(total)


def embedded(maps: Maps, parameters: Parameters, name: str, width: int) -> Rows:
    """Return the unit vector of linear – ReLU – linear of each sample's pooled features."""
    hidden = linear(pooled(maps), parameters[f"{name}.0.weight"], parameters[f"{name}.0.bias"])
    assert len(hidden[0]) == 2 * width
    hidden = [[max(v, 0.0) for v in row] for row in hidden]
    out = linear(hidden, parameters[f"{name}.2.weight"], parameters[f"{name}.2.bias"])
    return [unit(row, 1e-6) for row in out]


def distances(ours: Maps, theirs: Maps, parameters: Parameters, name: str, running: bool) -> Row:
    """Return for each sample the mean of (P(A(F_s)) − A(F_t))², both at the smaller size."""
    shape = smaller(ours, theirs)
    projected = bottleneck(pool(ours, *shape), parameters, name, running)
    return [mean_square(one, other) for one, other in zip(projected, pool(theirs, *shape), strict=True)]


def dot(one: Row, other: Row) -> float:
    return fsum(a * b for a, b in zip(one, other, strict=True))
