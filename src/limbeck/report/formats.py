"""Numbers as people read them: 1.2 M, 3.4 MB, 0.81 ms, 97.84 %."""

import math
from collections.abc import Callable

__all__ = ["count", "duration", "metric_name", "milliseconds", "points", "score", "size", "times"]

MINUS = "\N{MINUS SIGN}"
GAP = "\N{NO-BREAK SPACE}"
UNKNOWN = "\N{EN DASH}"

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_FRACTIONS = {
    "accuracy",
    "agreement",
    "balanced_accuracy",
    "calibration_error",
    "frame_accuracy",
    "macro_f1",
    "top5_accuracy",
    "utterance_error",
}
_LOWER_IS_BETTER = {"nll", "calibration_error", "utterance_error", "rmse", "mae", "mse", "loss"}
_NAMES = {
    "accuracy": "accuracy",
    "nll": "negative log-likelihood",
    "calibration_error": "calibration error",
    "macro_f1": "macro F1",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
}


def metric_name(metric: str) -> str:
    """Return the metric's name as running text writes it.

    Example:
        >>> metric_name("calibration_error"), metric_name("my_score")
        ('calibration error', 'my score')
    """
    return _NAMES.get(metric, metric.replace("_", " "))


def is_fraction(metric: str) -> bool:
    """Tell whether the metric is a share of 1, which people read in per cent."""
    return metric in _FRACTIONS


def higher_is_better(metric: str) -> bool:
    """Tell whether a larger value of the metric is the better one."""
    return metric not in _LOWER_IS_BETTER


def _plain(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    negative = text.startswith("-") and float(text) != 0  # no "-0.00"
    return (MINUS if negative else "") + text.lstrip("-")


def score(metric: str, value: float | None) -> str:
    r"""Write one score: fractions in per cent, everything else in four significant digits.

    Example:
        >>> score("accuracy", 0.97841), score("rmse", 54.2163), score("nll", None)
        ('97.84\xa0%', '54.22', '–')
    """
    if value is None:
        return UNKNOWN
    if is_fraction(metric):
        return _plain(100 * value, 2) + GAP + "%"
    return significant(value)


def significant(value: float, digits: int = 4) -> str:
    """Write a number with so many significant digits and no exponent where it can be read without.

    Example:
        >>> significant(0.012345), significant(1234.5), significant(0.0), significant(2.1e-5, 2)
        ('0.01235', '1234', '0', '2.1×10⁻⁵')
    """
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if not -4 <= magnitude < 9:
        mantissa = _plain(value / 10.0**magnitude, digits - 1)
        return f"{mantissa}×10{str(magnitude).translate(_RAISED)}"
    return _plain(value, max(0, digits - 1 - magnitude))


def points(metric: str, value: float, *, signed: bool = True) -> str:
    """Write a difference of two scores: of fractions in percentage points, without their unit.

    Args:
        metric: the score that differs.
        value: the difference, in the metric's own unit.
        signed: write a plus before what is not negative.

    Example:
        >>> points("accuracy", 0.0184), points("rmse", -1.4)
        ('+1.84', '−1.40')
    """
    if is_fraction(metric):
        value *= 100
    text = _plain(value, 2 if is_fraction(metric) or abs(value) >= 0.1 or value == 0 else 4)
    return "+" + text if signed and not text.startswith(MINUS) else text


def _scaled(value: float, units: tuple[str, ...], decimals: int = 1) -> str:
    step = 0
    while round(abs(value), 0) >= 1000 and step < len(units) - 1:
        value /= 1000
        step += 1
    if step == 0:
        return f"{value:.0f}" + (GAP + units[0] if units[0] else "")
    digits = decimals + 1 if abs(value) < 10 else decimals if abs(value) < 100 else 0
    return f"{value:.{digits}f}{GAP}{units[step]}"


def count(value: float | None) -> str:
    r"""Write a number of things.

    Example:
        >>> count(1_234_567), count(980), count(None)
        ('1.23\xa0M', '980', '–')
    """
    return UNKNOWN if value is None else _scaled(value, ("", "k", "M", "G", "T"))


def size(value: float | None) -> str:
    r"""Write a number of bytes in decimal units.

    Example:
        >>> size(3_400_000), size(512)
        ('3.40\xa0MB', '512\xa0B')
    """
    return UNKNOWN if value is None else _scaled(value, ("B", "kB", "MB", "GB", "TB"))


def milliseconds(value: float | None) -> str:
    r"""Write a time given in milliseconds.

    Example:
        >>> milliseconds(0.8123), milliseconds(0.0421), milliseconds(2345.0)
        ('0.81\xa0ms', '42\xa0µs', '2.35\xa0s')
    """
    if value is None:
        return UNKNOWN
    if value >= 1000:
        return f"{value / 1000:.2f}{GAP}s"
    if value < 0.1:
        return f"{1000 * value:.{0 if value >= 0.01 else 1}f}{GAP}µs"
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}{GAP}ms"


def duration(seconds: float) -> str:
    r"""Write a time given in seconds.

    Example:
        >>> duration(4.21), duration(192), duration(7320)
        ('4.2\xa0s', '3\xa0min 12\xa0s', '2\xa0h 2\xa0min')
    """
    if seconds < 60:
        return f"{seconds:.{1 if seconds < 10 else 0}f}{GAP}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}{GAP}min {whole % 60}{GAP}s"
    return f"{whole // 3600}{GAP}h {whole % 3600 // 60}{GAP}min"


def share(part: float, whole: float) -> str:
    r"""Write a part of a whole in per cent, with more digits where it is small.

    Example:
        >>> share(9, 100), share(4, 1000), share(3, 0)
        ('9\xa0%', '0.4\xa0%', '–')
    """
    if whole == 0:
        return UNKNOWN
    value = 100 * part / whole
    return _plain(value, 0 if abs(value) >= 1 or value == 0 else 1) + GAP + "%"


def times(ratio: float) -> str:
    """Write a ratio as a factor.

    Example:
        >>> times(11.2), times(3.24), times(142.0)
        ('11×', '3.2×', '142×')
    """
    return f"{ratio:.{1 if ratio < 9.95 else 0}f}×"


def tick(metric: str) -> Callable[[float, int], str]:
    r"""Return a formatter of axis ticks: per cent for fractions.

    Example:
        >>> tick("accuracy")(0.975, 0), tick("rmse")(54.0, 1)
        ('97.5\xa0%', '54')
    """
    if is_fraction(metric):
        return lambda value, _: f"{100 * value:.4g}{GAP}%"
    return lambda value, _: f"{value:.4g}".replace("-", MINUS)


def short(text: str) -> str:
    r"""Drop the zeros that an axis does not need.

    Example:
        >>> short("0.60\xa0ms"), short("12.0\xa0M"), short("500\xa0kB")
        ('0.6\xa0ms', '12\xa0M', '500\xa0kB')
    """
    number, gap, unit = text.partition(GAP)
    return (number.rstrip("0").rstrip(".") if "." in number else number) + gap + unit
