"""Response-based knowledge. Logits come as a list of rows, one list of numbers for each sample."""

from math import exp, fsum, log

Rows = list[list[float]]


def softmax(row: list[float], temperature: float) -> list[float]:
    """Return exp(z_i / T) / sum_j exp(z_j / T) (Hinton et al. 2015, equation 1)."""
    top = max(row)
    raised = [exp((each - top) / temperature) for each in row]
    return [each / fsum(raised) for each in raised]


def kd(student: Rows, teacher: Rows, temperature: float = 4.0) -> float:
    """Return T² · 1/N · sum over samples of sum_c p_t log(p_t / p_s)."""
    total = []
    for known, taught in zip(student, teacher, strict=True):
        p_student, p_teacher = softmax(known, temperature), softmax(taught, temperature)
        total.append(fsum(p * log(p / q) for p, q in zip(p_teacher, p_student, strict=True)))
    return temperature**2 * fsum(total) / len(total)


def logit_regression(student: Rows, teacher: Rows, centred: bool = False) -> float:
    """Return 1/N · sum over samples of ½ ‖z_s − z_t‖² (Ba & Caruana 2014, equation 1)."""
    total = []
    for known, taught in zip(student, teacher, strict=True):
        apart = [a - b for a, b in zip(known, taught, strict=True)]
        middle = fsum(apart) / len(apart) if centred else 0.0
        total.append(0.5 * fsum((each - middle) ** 2 for each in apart))
    return fsum(total) / len(total)


def kd_of_tokens(student: list[Rows], teacher: list[Rows], temperature: float = 4.0) -> float:
    """Return the mean over samples and positions: every position is a row of its own."""
    return kd(
        [row for each in student for row in each], [row for each in teacher for row in each], temperature
    )
