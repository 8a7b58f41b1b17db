"""Response-based knowledge. Logits come as a list of rows, one list of numbers for each sample."""

from math import exp, expm1, floor, fsum, log, log1p, sqrt
from sys import float_info

Row = list[float]
Rows = list[Row]
UNLABELLED = -100
epsilon = float_info.epsilon


def softmax(row: Row, temperature: float = 1.0) -> Row:
    """Return exp(z_i / T) / sum_j exp(z_j / T) (Hinton et al. 2015, equation 1)."""
    return [exp(each) for each in log_softmax(row, temperature)]


def log_softmax(row: Row, temperature: float = 1.0) -> Row:
    """Return z_i / T − log sum_j exp(z_j / T), the largest taken out first so that a certain row stays exact."""
    top = row.index(max(row))
    others = fsum(exp((each - row[top]) / temperature) for place, each in enumerate(row) if place != top)
    return [(each - row[top]) / temperature - log1p(others) for each in row]


def kl(log_p: Row, log_q: Row) -> float:
    """Return sum_c p_c (log p_c − log q_c)."""
    return fsum(exp(p) * (p - q) for p, q in zip(log_p, log_q, strict=True))


def mean(values: Row) -> float:
    return fsum(values) / len(values)


def kd(student: Rows, teacher: Rows, temperature: float = 4.0) -> float:
    """Return T² · 1/N · sum over samples of sum_c p_t log(p_t / p_s)."""
    return temperature**2 * mean(
        [
            kl(log_softmax(taught, temperature), log_softmax(known, temperature))
            for known, taught in zip(student, teacher, strict=True)
        ]
    )


def kd_of_tokens(student: list[Rows], teacher: list[Rows], temperature: float = 4.0) -> float:
    """Return the mean over samples and positions: every position is a row of its own."""
    return kd(
        [row for each in student for row in each], [row for each in teacher for row in each], temperature
    )


def logit_regression(student: Rows, teacher: Rows, centred: bool = False) -> float:
    """Return 1/N · sum over samples of ½ ‖z_s − z_t‖² (Ba & Caruana 2014, equation 1)."""
    total = []
    for known, taught in zip(student, teacher, strict=True):
        apart = [a - b for a, b in zip(known, taught, strict=True)]
        middle = mean(apart) if centred else 0.0
        total.append(0.5 * fsum((each - middle) ** 2 for each in apart))
    return mean(total)


def logit_standardization(student: Rows, teacher: Rows, temperature: float = 2.0) -> float:
    """Return KD of z-scores, (z − mean)/std of each row (Sun et al. 2024), std over C not C − 1."""

    def scores(row: Row) -> Row:
        middle = mean(row)
        spread = sqrt(mean([(each - middle) ** 2 for each in row]) + 1e-6)
        return [(each - middle) / spread for each in row]

    return kd([scores(row) for row in student], [scores(row) for row in teacher], temperature)


def dkd(
    student: Rows,
    teacher: Rows,
    targets: list[int],
    temperature: float = 4.0,
    target_weight: float = 1.0,
    non_target_weight: float = 8.0,
) -> float:
    """Return T² (a · KL of [p_y, 1 − p_y] + b · KL of the others renormalised) (Zhao et al. 2022)."""
    total = []
    for known, taught, label in zip(student, teacher, targets, strict=True):
        if label == UNLABELLED:
            continue
        two = kl(against_the_rest(taught, label, temperature), against_the_rest(known, label, temperature))
        rest = kl(
            log_softmax(without(taught, label), temperature), log_softmax(without(known, label), temperature)
        )
        total.append(target_weight * two + non_target_weight * rest)
    return temperature**2 * mean(total) if total else 0.0


def against_the_rest(row: Row, label: int, temperature: float) -> Row:
    """Return log [p_y, 1 − p_y]: the rest is summed, since 1 − p_y would lose it next to a certain label."""
    logs = log_softmax(row, temperature)
    rest = without(logs, label)
    return [logs[label], max(rest) + log(fsum(exp(each - max(rest)) for each in rest))]


def without(row: Row, label: int) -> Row:
    return [each for place, each in enumerate(row) if place != label]


def nkd(
    student: Rows,
    teacher: Rows,
    targets: list[int],
    temperature: float = 1.0,
    non_target_weight: float = 1.5,
) -> float:
    """Return −p_t,y log p_s,y − γ T² sum over i ≠ y of p̂_t,i log p̂_s,i (Yang et al. 2023)."""
    total = []
    for known, taught, label in zip(student, teacher, targets, strict=True):
        if label == UNLABELLED:
            continue
        target = -softmax(taught)[label] * log_softmax(known)[label]
        theirs = softmax(without(taught, label), temperature)
        ours = log_softmax(without(known, label), temperature)
        rest = -fsum(p * q for p, q in zip(theirs, ours, strict=True))
        total.append(target + non_target_weight * temperature**2 * rest)
    return mean(total) if total else 0.0


def pearson(one: Row, other: Row, extra: float = 0.0) -> float:
    """Return Pearson's correlation, ``extra`` added to the product of norms; 0 where either side does not vary."""
    a, b = ([each - mean(row) for each in row] for row in (one, other))
    sizes = sqrt(fsum(each * each for each in a)), sqrt(fsum(each * each for each in b))
    for size, row in zip(sizes, (one, other), strict=True):
        if size <= 16 * epsilon * sqrt(len(row)) * abs(mean(row)):
            return 0.0
    return fsum(x * y for x, y in zip(a, b, strict=True)) / (sizes[0] * sizes[1] + extra)


def dist(
    student: Rows,
    teacher: Rows,
    temperature: float = 1.0,
    row_weight: float = 1.0,
    column_weight: float = 1.0,
) -> float:
    """Return β · mean over rows of (1 − ρ) + γ · mean over columns of (1 − ρ) (Huang et al. 2022)."""
    ours = [softmax(row, temperature) for row in student]
    theirs = [softmax(row, temperature) for row in teacher]
    inter = mean([1 - pearson(a, b, 1e-8) for a, b in zip(ours, theirs, strict=True)])
    intra = mean([1 - pearson(a, b, 1e-8) for a, b in zip(columns(ours), columns(theirs), strict=True)])
    return row_weight * inter + column_weight * intra


def columns(rows: Rows) -> Rows:
    return [list(each) for each in zip(*rows, strict=True)]


def multi_level(
    student: Rows,
    teacher: Rows,
    temperatures: tuple[float, ...] = (2.0, 3.0, 4.0, 5.0, 6.0),
    batch_weight: float = 1.0,
    class_weight: float = 1.0,
) -> float:
    """Return the mean over temperatures of KD + ‖G_s − G_t‖²/B + ‖M_s − M_t‖²/C (Jin et al. 2023)."""
    total = []
    for temperature in temperatures:
        ours = [softmax(row, temperature) for row in student]
        theirs = [softmax(row, temperature) for row in teacher]
        batch = gram_distance(ours, theirs) / len(ours)
        classes = gram_distance(columns(ours), columns(theirs)) / len(ours[0])
        total.append(kd(student, teacher, temperature) + batch_weight * batch + class_weight * classes)
    return mean(total)


def gram_distance(one: Rows, other: Rows) -> float:
    """Return the squared Frobenius distance between the Gram matrices of two lists of rows."""
    return fsum(
        (dot(one[i], one[j]) - dot(other[i], other[j])) ** 2 for i in range(len(one)) for j in range(len(one))
    )


def dot(one: Row, other: Row) -> float:
    return fsum(a * b for a, b in zip(one, other, strict=True))


def ctkd(
    student: Rows,
    teacher: Rows,
    parameters: dict[str, float],
    lowest: float = 1.0,
    highest: float = 21.0,
    ramp: float = 10 / 240,
) -> float:
    """Return KD at T = lowest + (highest − lowest) · sigmoid(θ) (Li et al. 2023); the ramp has no part in it."""
    (theta,) = parameters.values()
    return kd(student, teacher, lowest + (highest - lowest) / (1 + exp(-theta)))


def wsld(
    student: Rows,
    teacher: Rows,
    targets: list[int],
    temperature: float = 2.0,
    held: Rows | None = None,
) -> float:
    """Return KD with each sample weighted by 1 − exp(−CE_s / CE_t) (Zhou et al. 2021), a constant."""
    total = []
    for known, taught, label, constant in zip(student, teacher, targets, held or student, strict=True):
        if label == UNLABELLED:
            continue
        ours, theirs = -log_softmax(constant)[label], -log_softmax(taught)[label]
        weight = -expm1(-ours / (theirs + 1e-7))
        total.append(weight * kl(log_softmax(taught, temperature), log_softmax(known, temperature)))
    return temperature**2 * mean(total) if total else 0.0


def annealing_kd(
    student: Rows, teacher: Rows, progress: float | None = None, steps_of_temperature: int = 10
) -> float:
    """Return ½ ‖z_s − Φ z_t‖², a mean over samples, Φ = 1 − (T − 1)/τ, T = τ … 1 (Jafari et al. 2021)."""
    stair = min(
        floor((1.0 if progress is None else progress) * steps_of_temperature), steps_of_temperature - 1
    )
    temperature = steps_of_temperature - stair
    share = 1 - (temperature - 1) / steps_of_temperature
    return logit_regression(student, [[share * each for each in row] for row in teacher])


def bounded_regression(
    student: Rows,
    teacher: Rows,
    targets: Rows,
    form: str = "bounded",
    margin: float = 0.0,
    spread: float | None = None,
) -> float:
    """Return the student's squared error where it is beyond the teacher's and a margin (Chen et al. 2017)."""
    total = []
    for known, taught, truth in zip(student, teacher, targets, strict=True):
        if form == "bounded":
            error = fsum((a - y) ** 2 for a, y in zip(known, truth, strict=True))
            bound = fsum((b - y) ** 2 for b, y in zip(taught, truth, strict=True))
            total.append(error if error > bound + margin else 0.0)
        elif form == "value":
            total.append(fsum((a - b) ** 2 for a, b in zip(known, taught, strict=True)))
        else:
            means, spreads = (taught, [spread] * len(taught)) if spread else (taught[:1], taught[1:])
            parts = zip(known, means, spreads, strict=True)
            total.append(0.5 * fsum(((a - b) / max(sigma, 0.001)) ** 2 for a, b, sigma in parts))
    return mean(total)


def consistency(student: Rows, teacher: Rows) -> float:
    """Return the mean over samples and classes of (p_s − p_t)² (Tarvainen & Valpola 2017, section 2)."""
    total = []
    for known, taught in zip(student, teacher, strict=True):
        total += [(p - q) ** 2 for p, q in zip(softmax(known), softmax(taught), strict=True)]
    return mean(total)


def hard_distillation(student: Rows, teacher: Rows) -> float:
    """Return the cross-entropy with the teacher's decision (Touvron et al. 2021, the term on y_t)."""
    return mean([-log_softmax(a)[b.index(max(b))] for a, b in zip(student, teacher, strict=True)])


def mixed(log_p: Row, log_q: Row, share: float) -> Row:
    """Return log(share · p + (1 − share) · q) for each class."""
    found = []
    for p, q in zip(log_p, log_q, strict=True):
        top = max(p, q)
        found.append(top + log(share * exp(p - top) + (1 - share) * exp(q - top)))
    return found


def skew_kl(
    student: Rows, teacher: Rows, skew: float = 0.1, reverse: bool = False, temperature: float = 1.0
) -> float:
    """Return KL(p ‖ α p + (1 − α) q), q the student, or the student and the teacher changed (Ko et al. 2024)."""
    total = []
    for known, taught in zip(student, teacher, strict=True):
        ours, theirs = log_softmax(known, temperature), log_softmax(taught, temperature)
        first, second = (ours, theirs) if reverse else (theirs, ours)
        total.append(kl(first, mixed(first, second, skew)))
    return temperature**2 * mean(total)


def jsd(student: Rows, teacher: Rows, mixture: float = 0.5, temperature: float = 1.0) -> float:
    """Return β KL(p_t ‖ m) + (1 − β) KL(p_s ‖ m), m = β p_t + (1 − β) p_s (Agarwal et al. 2024)."""
    total = []
    for known, taught in zip(student, teacher, strict=True):
        ours, theirs = log_softmax(known, temperature), log_softmax(taught, temperature)
        if mixture == 0:
            total.append(kl(theirs, ours))
        elif mixture == 1:
            total.append(kl(ours, theirs))
        else:
            middle = mixed(theirs, ours, mixture)
            total.append(mixture * kl(theirs, middle) + (1 - mixture) * kl(ours, middle))
    return temperature**2 * mean(total)


def alpha_divergence(
    student: Rows,
    teacher: Rows,
    orders: tuple[float, ...] = (-1.0, 1.0),
    clip: float | None = 5.0,
    held: Rows | None = None,
) -> float:
    """Return the mean over samples of the largest D_α (Wang et al. 2021).

    With ``held``, return the surrogate whose gradient is taken instead: −sum_c sg(p_s ρ) log p_s.
    """
    bound = float("inf") if clip is None else clip
    total = []
    for known, taught, constant in zip(student, teacher, held or student, strict=True):
        ours, theirs = softmax(constant), softmax(taught)
        found = []
        for alpha in orders:
            if alpha == 1:
                value = fsum(p * (log(p) - log(q)) for p, q in zip(theirs, ours, strict=True))
                slopes = [p / q for p, q in zip(theirs, ours, strict=True)]
            else:
                power = [
                    min(exp(alpha * (log(p) - log(q))), bound) for p, q in zip(theirs, ours, strict=True)
                ]
                value = fsum(q * (each - 1) for q, each in zip(ours, power, strict=True)) / (
                    alpha * (alpha - 1)
                )
                slopes = [each / alpha + 1 / (alpha * (alpha - 1)) for each in power]
            surrogate = -fsum(
                q * rho * log(p) for q, rho, p in zip(ours, slopes, softmax(known), strict=True)
            )
            found.append((value, surrogate))
        value, surrogate = max(found, key=lambda each: each[0])
        total.append(value if held is None else surrogate)
    return mean(total)


def label_smoothing_teacher(
    student: Rows,
    teacher: Rows,
    targets: list[int],
    probability: float = 0.99,
    temperature: float = 20.0,
) -> float:
    """Return T² KL of the hand-made teacher, softened as softmax(log u / T) (Yuan et al. 2020)."""
    total = []
    for known, label in zip(student, targets, strict=True):
        if label == UNLABELLED:
            continue
        other = log((1 - probability) / (len(known) - 1))
        made = [log(probability) if place == label else other for place in range(len(known))]
        total.append(kl(log_softmax(made, temperature), log_softmax(known, temperature)))
    return temperature**2 * mean(total) if total else 0.0
