"""Contrastive representation distillation (Tian, Krishnan, Isola 2020), with its memories."""

from math import exp, fsum, log

from reference.layers import Parameters, Row, Rows, linear, mean, unit


def crd(
    student: Rows,
    teacher: Rows,
    index: list[int],
    parameters: Parameters,
    others: list[list[int]],
    temperature: float = 0.07,
    held: Rows | None = None,
) -> float:
    """Return the sum of both sides' noise-contrastive loss, ``others[n]`` being sample n's negatives.

    With h = exp(u) / (exp(u) + Z·K/samples) a side is −1/N · Σ_n [log h(n, 0) + Σ_k log(1 − h(n, k))].
    """
    memories = parameters["memory_teacher"], parameters["memory_student"]
    at = embedded(held or student, teacher, parameters)
    sides = zip(embedded(student, teacher, parameters), memories, parameters["log_z"], at, strict=True)
    total = 0.0
    for embeddings, memory, kept, fixed in sides:
        u = similarities(embeddings, memory, index, others, temperature)
        log_z = (
            kept
            if parameters["batches"]
            else first(similarities(fixed, memory, index, others, temperature), memory)
        )
        total += mean([contrast(row, log_z + log((len(row) - 1) / len(memory))) for row in u])
    return total


def embedded(student: Rows, teacher: Rows, parameters: Parameters) -> tuple[Rows, Rows]:
    """Return both sides' linear embeddings as unit vectors."""
    pair = []
    for rows, name in ((student, "embed_student"), (teacher, "embed_teacher")):
        out = linear(rows, parameters[f"{name}.weight"], parameters[f"{name}.bias"])
        pair.append([unit(row, 1e-6) for row in out])
    return pair[0], pair[1]


def similarities(
    embeddings: Rows, memory: Rows, index: list[int], others: list[list[int]], temperature: float
) -> Rows:
    """Return u(n, 0), with the sample's own memory, and then u(n, k), with its negatives'."""
    return [
        [fsum(a * b for a, b in zip(v, memory[place], strict=True)) / temperature for place in (own, *rest)]
        for v, own, rest in zip(embeddings, index, others, strict=True)
    ]


def first(u: Rows, memory: Rows) -> float:
    """Return log Z as the first batch sets it: samples times the mean of exp(u)."""
    return log(len(memory) * mean([exp(each) for row in u for each in row]))


def contrast(u: Row, a: float) -> float:
    """Return −log h(0) − Σ_k log(1 − h(k)), with h = 1 / (1 + exp(a − u))."""
    return softplus(a - u[0]) + fsum(softplus(each - a) for each in u[1:])


def softplus(value: float) -> float:
    return max(value, 0.0) + log(1 + exp(-abs(value)))


def remembered(memory: Rows, index: list[int], embeddings: Rows, momentum: float = 0.5) -> Rows:
    """Return the memory after a batch: unit(momentum · old + (1 − momentum) · the mean of the sample's embeddings)."""
    after = [list(row) for row in memory]
    for place in set(index):
        own = [row for row, here in zip(embeddings, index, strict=True) if here == place]
        fresh = [mean(list(column)) for column in zip(*own, strict=True)]
        mixed = [momentum * m + (1 - momentum) * e for m, e in zip(memory[place], fresh, strict=True)]
        after[place] = unit(mixed, 1e-6)
    return after
