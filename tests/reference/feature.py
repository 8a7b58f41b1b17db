"""Feature-based knowledge of one layer: maps ``[sample][channel][row][column]``, tokens or vectors."""

from math import exp, fsum, log, sqrt

from reference.layers import (
    Maps,
    Nested,
    Parameters,
    Row,
    Rows,
    batch_norm,
    bottleneck,
    conv,
    each_value,
    flat,
    mean,
    mean_square,
    numbers,
    pool,
    relu,
    size,
    smaller,
    unit,
)


def fitnets(student: Nested, teacher: Nested) -> float:
    """Return the mean over samples and elements of (F_s − F_t)² (Romero et al. 2014, equation 3 without its ½)."""
    return mean_square(student, teacher)


def attention_transfer(student: Maps, teacher: Maps, power: float = 2.0) -> float:
    """Return 1/N · Σ_n ‖Q_s − Q_t‖² of the pooled, normalised mean_c |F|^p (Zagoruyko & Komodakis 2016, section 3)."""
    height, width = smaller(student, teacher)
    pairs = zip(
        attention(student, power, height, width), attention(teacher, power, height, width), strict=True
    )
    return mean([fsum((a - b) ** 2 for a, b in zip(ours, theirs, strict=True)) for ours, theirs in pairs])


def attention(maps: Maps, power: float, height: int, width: int) -> Rows:
    """Return each sample's attention map as a row of length one."""
    rows, columns = size(maps)
    strength = [
        [[[mean([abs(grid[i][j]) ** power for grid in sample]) for j in range(columns)] for i in range(rows)]]
        for sample in maps
    ]
    return [unit(row, 1e-12) for row in flat(pool(strength, height, width))]


def nst(student: Maps, teacher: Maps) -> float:
    """Return the mean over samples of MMD² between channel maps under k(x, y) = (x·y)² (Huang & Wang 2017)."""
    height, width = smaller(student, teacher)
    total = []
    pairs = zip(pool(student, height, width), pool(teacher, height, width), strict=True)
    for ours, theirs in pairs:
        x, y = ([unit(row, 1e-6) for row in flat(maps)] for maps in (ours, theirs))
        total.append(kernel(x, x) + kernel(y, y) - 2 * kernel(x, y))
    return mean(total)


def kernel(some: Rows, others: Rows) -> float:
    """Return the mean over all pairs of (x·y)²."""
    return mean([fsum(a * b for a, b in zip(x, y, strict=True)) ** 2 for x in some for y in others])


def activation_boundary(student: Nested, teacher: Nested, margin: float = 1.0) -> float:
    """Return the mean of max(0, μ ∓ s)², minus where the teacher is above zero (Heo et al. 2018)."""
    pairs = zip(numbers(student), numbers(teacher), strict=True)
    return mean([max(0.0, margin - s if t > 0 else margin + s) ** 2 for s, t in pairs])


def vid(student: Nested, teacher: Nested, parameters: Parameters, eps: float = 1e-5) -> float:
    """Return the mean of ½ [log σ² + (F_s − F_t)²/σ²] (Ahn et al. 2019, without ½ log 2π)."""
    variances = [log(1 + exp(rho)) + eps for rho in parameters["rho"]]
    total = []
    for ours, theirs in zip(student, teacher, strict=True):
        for values, targets in zip(by_channel(ours), by_channel(theirs), strict=True):
            for variance, s, t in zip(variances, values, targets, strict=True):
                total.append(0.5 * (log(variance) + (s - t) ** 2 / variance))
    return mean(total)


def by_channel(sample: Nested) -> Rows:
    """Return a row of channels for each position of a sample: a map, tokens or a vector."""
    if not isinstance(sample[0], list):
        return [sample]
    if not isinstance(sample[0][0], list):
        return sample
    return [list(row) for row in zip(*flat(sample), strict=True)]


def factor_transfer(student: Maps, teacher: Maps, parameters: Parameters, rate: float = 0.5) -> float:
    """Return the mean over elements of |unit(T(F_s)) − unit(E(F_t))| (Kim et al. 2018)."""
    ours, theirs = (
        factors(maps, parameters, name) for maps, name in ((student, "translator"), (teacher, "encoder"))
    )
    assert len(ours[0]) == len(theirs[0]) == max(1, round(rate * len(teacher[0])))
    height, width = smaller(ours, theirs)
    pairs = zip(flat(pool(ours, height, width)), flat(pool(theirs, height, width)), strict=True)
    return mean(
        [abs(a - b) for f_s, f_t in pairs for a, b in zip(unit(f_s, 1e-12), unit(f_t, 1e-12), strict=True)]
    )


def factors(maps: Maps, parameters: Parameters, name: str) -> Maps:
    """Return three convolutions 3×3, each followed by LeakyReLU(0.1)."""
    for place in (0, 2, 4):
        maps = leaky(
            conv(maps, parameters[f"{name}.{place}.weight"], parameters[f"{name}.{place}.bias"], padding=1)
        )
    return maps


def reconstruction(teacher: Maps, parameters: Parameters) -> float:
    """Return the mean of (D(E(F_t)) − F_t)², D of transposed convolutions (Kim et al. 2018)."""
    maps = factors(teacher, parameters, "encoder")
    for place in (0, 2, 4):
        kernels = parameters[f"decoder.{place}.weight"]  # [in][out]: transposed, each kernel is turned around
        turned = [
            [[row[::-1] for row in kernels[given][out][::-1]] for given in range(len(kernels))]
            for out in range(len(kernels[0]))
        ]
        maps = leaky(conv(maps, turned, parameters[f"decoder.{place}.bias"], padding=1))
    return mean_square(maps, teacher)


def leaky(maps: Maps) -> Maps:
    return each_value(lambda value: max(value, 0.1 * value), maps)


def sim_kd(
    student: Maps,
    teacher: Maps,
    parameters: Parameters,
    factor: int = 2,
    rectified: bool = True,
    running: bool = False,
) -> float:
    """Return the mean of (A(P(F_s)) − A(F_t))² (Chen et al. 2022)."""
    projected = bottleneck(student, parameters, "projector", running)
    assert len(parameters["projector.0.weight"]) == max(1, len(teacher[0]) // factor)
    projected = batch_norm(projected, parameters, "projector.7", running)
    if rectified:
        projected = relu(projected)
    height, width = smaller(student, teacher)
    return mean_square(pool(projected, height, width), pool(teacher, height, width))


def mgd(student: Maps, teacher: Maps, parameters: Parameters, draw: Maps, mask_ratio: float = 0.5) -> float:
    """Return the mean of (G(F_s · M) − F_t)², M = 0 where the draw is below the ratio (Yang et al. 2022)."""
    seen = [
        [
            [
                [0.0 if u < mask_ratio else value for value, u in zip(row, drawn, strict=True)]
                for row, drawn in zip(grid, here[0], strict=True)
            ]
            for grid in sample
        ]
        for sample, here in zip(student, draw, strict=True)
    ]
    hidden = relu(conv(seen, parameters["generator.0.weight"], parameters["generator.0.bias"], padding=1))
    made = conv(hidden, parameters["generator.2.weight"], parameters["generator.2.bias"], padding=1)
    return mean_square(made, teacher)


def cwd(student: Maps, teacher: Maps, temperature: float = 4.0) -> float:
    """Return T²/C · Σ_c KL(φ(F_t) ‖ φ(F_s)), φ a softmax over positions, mean over samples (Shu et al. 2021)."""
    total = []
    for ours, theirs in zip(student, teacher, strict=True):
        for known, taught in zip(flat(ours), flat(theirs), strict=True):
            log_s, log_t = log_softmax(known, temperature), log_softmax(taught, temperature)
            total.append(fsum(exp(t) * (t - s) for s, t in zip(log_s, log_t, strict=True)))
    return temperature**2 * mean(total)


def log_softmax(row: Row, temperature: float) -> Row:
    top = max(row)
    whole = log(fsum(exp((each - top) / temperature) for each in row))
    return [(each - top) / temperature - whole for each in row]


def pkd(student: Maps, teacher: Maps) -> float:
    """Return ½ the mean squared difference of channels standardised over (N, H, W) (Cao et al. 2022)."""
    return 0.5 * mean_square(standardised(student), standardised(teacher))


def standardised(maps: Maps) -> list[Row]:
    """Return each channel's values less their mean, over √(variance + 1e-8)."""
    channels = []
    for channel in range(len(maps[0])):
        values = [v for sample in maps for v in numbers(sample[channel])]
        middle = mean(values)
        spread = sqrt(mean([(v - middle) ** 2 for v in values]) + 1e-8)
        channels.append([(v - middle) / spread for v in values])
    return channels


def vkd(student: Nested, teacher: Nested) -> float:
    """Return the mean of (F_s − Z)², Z each position's features standardised (Miles et al. 2024)."""
    total = []
    for ours, theirs in zip(student, teacher, strict=True):
        for values, targets in zip(by_channel(ours), by_channel(theirs), strict=True):
            middle = mean(targets)
            spread = sqrt(mean([(t - middle) ** 2 for t in targets]) + 1e-5)
            total += [(s - (t - middle) / spread) ** 2 for s, t in zip(values, targets, strict=True)]
    return mean(total)
