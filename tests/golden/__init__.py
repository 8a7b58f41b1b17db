"""One frozen value and gradient norm for each loss: what a refactor must not change.

A number here changes only together with a line in the changelog. They were computed from ``tests/reference`` in
float64 (the gradient by central differences), not by the code under test.
"""

from math import cos, sin


def student_row(number: int, classes: int = 5) -> list[float]:
    return [3 * sin(1 + 2 * number + 1.7 * each) for each in range(classes)]


def teacher_row(number: int, classes: int = 5) -> list[float]:
    return [4 * cos(0.5 * number - 1.3 * each) for each in range(classes)]


STUDENT = [student_row(number) for number in range(4)]
TEACHER = [teacher_row(number) for number in range(4)]

FROZEN: dict[str, tuple[float, float]] = {
    "KD(temperature=4)": (4.409879072914274, 0.6736378631508517),
    "KD(temperature=1)": (1.700124169657144, 0.45857181340321235),
    "LogitRegression()": (26.846933809093862, 3.663804976387784),
    "LogitRegression(centred=True)": (26.13163759104824, 3.6146671764693212),
}
"""Loss, as it is written after ``losses.`` -> value, Euclidean norm of the gradient with respect to the student."""
